package wire

import (
	"context"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// ProtocolVersion is the version of the protocol this package speaks.
const ProtocolVersion = 1

// Plugin is a plugin as a host sees it, wherever it runs: linked into the
// host, or in a process of its own. All methods are safe for concurrent use.
type Plugin interface {
	// Describe says what the plugin is.
	Describe(ctx context.Context) (*Description, error)
	// Validate checks a configuration without side effects. config is JSON
	// that follows the schema. The error is for a plugin that could not be
	// asked.
	Validate(ctx context.Context, name string, config []byte) (schema.Diagnostics, error)
	// Open opens a backend. Closing the Store closes it. Diagnostics with an
	// error come with a nil Store.
	Open(ctx context.Context, req OpenRequest) (storage.Store, schema.Diagnostics, error)
	// Health returns the health of each open backend by its id: nil or why it
	// could not serve. The error is for a plugin that could not be asked.
	Health(ctx context.Context) (map[string]error, error)
	// Shutdown closes all backends, within grace.
	Shutdown(ctx context.Context, grace time.Duration) error
}

// Description is what a plugin says of itself.
type Description struct {
	Name, Version, Description string
	// ProtocolMin and ProtocolMax are the protocol versions it speaks.
	ProtocolMin, ProtocolMax uint32
	// Config is the schema of a backend's configuration; never nil.
	Config *schema.Schema
	// Features name optional abilities of the process.
	Features []string
}

// OpenRequest names the backend to open.
type OpenRequest struct {
	// ID is the host's handle: unique among the backends open in the process.
	ID string
	// Name is what the operator calls the backend.
	Name string
	// Config in JSON, as Validate takes it.
	Config []byte
	// StateDir is a directory for the backend's own use; empty: none.
	StateDir string
}
