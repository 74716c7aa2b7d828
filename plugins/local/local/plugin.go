package local

import (
	"context"
	"errors"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Version is the version of the plugin.
const Version = "0.1.0"

// Config is the configuration of a backend.
type Config struct {
	_             struct{}        `doc:"Stores objects on this machine: in a directory, or in memory if no path is given."`
	Path          string          `stowage:"path,path" doc:"The directory of the store; created with mode 0700 if it does not exist, and locked while it is in use. Without it objects are kept in memory and end with the process."`
	MaxBytes      schema.ByteSize `stowage:"max_bytes" default:"0B" doc:"The most that keys, values and metadata may take together, with 256 bytes for each object; more is refused. 0: no bound."`
	InlineLimit   schema.ByteSize `stowage:"inline_limit" default:"64KiB" min:"1B" max:"1MiB" doc:"On disk: the largest value that is kept in the index rather than in a file of its own."`
	SweepInterval time.Duration   `stowage:"sweep_interval" default:"30s" min:"1s" max:"24h" doc:"How often the room of expired objects is taken back. They are invisible at once."`
	WatchHistory  int             `stowage:"watch_history" default:"8192" min:"1" max:"1000000" doc:"How many changes a watcher may be behind before it is told that it missed some."`
}

// Plugin describes the plugin to the SDK and to hosts that link it in.
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:        "local",
		Version:     Version,
		Description: "Stores objects on this machine: durably in a directory, or in memory.",
		Config:      Config{},
		Open:        open,
	}
}

func open(ctx context.Context, in sdk.Instance) (storage.Backend, error) {
	c, ok := in.Config.(*Config)
	if !ok {
		return nil, storage.Errorf(storage.CodeInternal, "the configuration is a %T", in.Config)
	}
	if c.Path == "" {
		return OpenMemory(MemoryOptions{
			MaxBytes:      int64(c.MaxBytes),
			SweepInterval: c.SweepInterval,
			WatchHistory:  c.WatchHistory,
			Logger:        in.Logger,
		}), nil
	}
	b, err := OpenDisk(ctx, DiskOptions{
		Path:          c.Path,
		MaxBytes:      int64(c.MaxBytes),
		InlineLimit:   int64(c.InlineLimit),
		SweepInterval: c.SweepInterval,
		WatchHistory:  c.WatchHistory,
		Logger:        in.Logger,
	})
	return b, blamePath(err)
}

// blamePath points errors that only another path, or other rights, will cure
// at the operator's line.
func blamePath(err error) error {
	for _, target := range []error{storage.ErrInvalidArgument, storage.ErrUnimplemented, storage.ErrPermissionDenied} {
		if errors.Is(err, target) {
			return schema.Diagnostics{schema.Errorf(cty.GetAttrPath("path"), "The directory cannot be used", "%v.", storage.AsError(err).Err)}
		}
	}
	return err
}
