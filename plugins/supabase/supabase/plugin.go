package supabase

import (
	"context"

	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Version is the version of the plugin.
const Version = "0.1.0"

// Plugin describes the plugin to the SDK.
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:        "supabase",
		Version:     Version,
		Description: "Stores objects in a Supabase project: in a table, and large values in Storage.",
		Config:      Config{},
		Open: func(ctx context.Context, in sdk.Instance) (storage.Backend, error) {
			c, ok := in.Config.(*Config)
			if !ok {
				return nil, storage.Errorf(storage.CodeInternal, "the configuration is a %T", in.Config)
			}
			return open(ctx, c, in.StateDir, in.Logger)
		},
	}
}
