package sdk_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/p2p-ai-agents/stowage/internal/wire"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// MemoConfig is what an operator configures of the plugin.
type MemoConfig struct {
	Limit schema.ByteSize `stowage:"limit" default:"64MiB" doc:"Most bytes to keep."`
}

func memo() sdk.Plugin {
	return sdk.Plugin{
		Name:        "memo",
		Version:     "0.1.0",
		Description: "Keeps objects in memory.",
		Config:      MemoConfig{},
		Open: func(_ context.Context, in sdk.Instance) (storage.Backend, error) {
			config := in.Config.(*MemoConfig)
			in.Logger.Info("opening", "limit", config.Limit)
			return local.OpenMemory(local.MemoryOptions{MaxBytes: int64(config.Limit)}), nil
		},
	}
}

// A plugin's main is one call: sdk.Serve(memo()). The same value can run inside
// a host.
func Example() {
	ctx := context.Background()
	plugin, err := sdk.InProcess(memo(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	store, diags, err := plugin.Open(ctx, wire.OpenRequest{ID: "1", Name: "scratch", Config: []byte(`{"limit":65536}`)})
	if err != nil || diags.HasErrors() {
		fmt.Println(diags, err)
		return
	}
	defer store.Close(ctx)
	res, err := store.Put(ctx, "greeting", strings.NewReader("hello"), storage.PutOptions{})
	fmt.Println(res.Object.Size, err)
	_, err = store.Put(ctx, "large", strings.NewReader(strings.Repeat("x", 1<<17)), storage.PutOptions{})
	fmt.Println(storage.CodeOf(err).String())
	// Output:
	// 5 <nil>
	// QuotaExceeded
}
