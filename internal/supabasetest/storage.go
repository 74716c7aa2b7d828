package supabasetest

import "net/http"

// ResumableOptions is about uploads by TUS.
type ResumableOptions struct{}

func (o ResumableOptions) withDefaults() ResumableOptions { return o }

func (o ResumableOptions) describe(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }

type storage struct{}

func newStorage(string, ProjectOptions) (*storage, error) { return &storage{}, nil }

func (p *Project) serveStorage(w http.ResponseWriter, r *http.Request, _ string) {
	writeStorageError(w, r, storageError{status: http.StatusNotFound, StatusCode: "404", Kind: "Not Found", Message: "Route not found"})
}
