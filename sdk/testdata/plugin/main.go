// The plugin that the tests of package sdk run as a child process.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Config of a backend.
type Config struct {
	Greeting string `stowage:"greeting,required" doc:"Logged when the backend opens."`
}

// Validate refuses one greeting.
func (c *Config) Validate(context.Context) schema.Diagnostics {
	if c.Greeting == "rude" {
		return schema.Diagnostics{schema.Errorf(nil, "Rude", "Say something else.")}
	}
	return nil
}

type backend struct {
	storage.Backend
	dir string
}

func (b *backend) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	if key == "panic" {
		panic("as asked")
	}
	return b.Backend.Stat(ctx, key, opts)
}

func (b *backend) Close(ctx context.Context) error {
	slog.Info("closing")
	if err := os.WriteFile(filepath.Join(b.dir, "closed"), nil, 0o600); err != nil {
		return err
	}
	return b.Backend.Close(ctx)
}

func main() {
	sdk.Serve(sdk.Plugin{
		Name: "memo", Version: "0.1.0", Description: "Keeps objects in memory.", Config: Config{},
		Open: func(_ context.Context, in sdk.Instance) (storage.Backend, error) {
			in.Logger.Warn("opened", "greeting", in.Config.(*Config).Greeting)
			fmt.Println("printed")
			return &backend{local.OpenMemory(local.MemoryOptions{}), in.StateDir}, nil
		},
	})
}
