package memory

import (
	"context"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Version is the version of the plugin.
const Version = "0.1.0"

// Config is the configuration of a backend.
type Config struct {
	_        struct{}        `doc:"Keeps objects in memory and forgets those that are used least. For caches: what it holds may vanish at any time."`
	MaxBytes schema.ByteSize `stowage:"max_bytes" default:"64MiB" min:"1KiB" max:"1TiB" doc:"The most that keys, values and metadata may take together, with 256 bytes for each object."`
	TTL      time.Duration   `stowage:"ttl" default:"0s" max:"8760h" doc:"How long an object is kept at most; then it vanishes. 0: until its room is wanted, or until its own expiry."`
}

// Plugin describes the plugin to the SDK and to hosts that link it in.
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:        "memory",
		Version:     Version,
		Description: "A cache in memory: bounded, and forgetful.",
		Config:      Config{},
		Open: func(_ context.Context, in sdk.Instance) (storage.Backend, error) {
			c, ok := in.Config.(*Config)
			if !ok {
				return nil, storage.Errorf(storage.CodeInternal, "the configuration is a %T", in.Config)
			}
			return Open(Options{MaxBytes: int64(c.MaxBytes), TTL: c.TTL})
		},
	}
}
