package api

import (
	"net/http"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Host is what the front needs of the host behind it. All methods are safe for
// concurrent use and return promptly.
type Host interface {
	// Store is what objects are read from and written to. It is never nil;
	// while nothing can serve, its operations fail with Unavailable. The front
	// does not close it.
	Store() storage.Store
	// Status is the document of /v1/status; it must encode as JSON and hold no
	// secrets.
	Status() any
	// Ready returns nil if the host can serve, else why not, in words that an
	// operator may read without credentials.
	Ready() error
	// Metrics serves /metrics; nil if there are none.
	Metrics() http.Handler
}
