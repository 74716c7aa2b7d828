package supabasetest

import (
	"context"
	"net/http"
	"strings"
	"sync"
)

// storage keeps objects in files and what is known of them in memory, so that
// they outlive the cluster.
type storage struct {
	dir     string
	limit   int64 // of one object, in bytes
	options ResumableOptions

	mu      sync.Mutex
	buckets map[string]*bucket
	uploads map[string]*upload
}

func newStorage(dir string, options ProjectOptions) (*storage, error) {
	return &storage{
		dir:     dir,
		limit:   options.FileSizeLimit,
		options: options.Resumable,
		buckets: map[string]*bucket{},
		uploads: map[string]*upload{},
	}, nil
}

// serveStorage checks the token and that the database is there, which the real
// server asks about everything.
func (p *Project) serveStorage(w http.ResponseWriter, r *http.Request, authorization string) {
	if authorization == "" {
		writeStorageError(w, r, errInvalidRequest("headers must have required property 'authorization'"))
		return
	}
	who, err := p.identify(authorization)
	if err != nil {
		writeStorageError(w, r, errBearer(err))
		return
	}
	if err := p.askDatabase(r.Context()); err != nil {
		writeStorageError(w, r, err)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, storagePath)
	if id, isUpload := strings.CutPrefix(path, "upload/resumable"); isUpload {
		p.storage.serveResumable(w, r, p.URL, strings.Trim(id, "/"), who.role == roleService)
		return
	}
	request := storageRequest{Request: r, owner: who.role == roleService}
	if err := p.storage.serve(w, request, path); err != nil {
		writeStorageError(w, r, err)
	}
}

func (p *Project) askDatabase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.options.AcquireTimeout)
	defer cancel()
	if err := p.pool.Ping(ctx); err != nil {
		return errDatabaseTimeout()
	}
	return nil
}

// storageRequest is a request of a role. The owner may do everything, others
// have no policy that would allow them anything: reads find nothing, and writes
// are refused.
type storageRequest struct {
	*http.Request
	owner bool
}

// serve answers unless it returns an error.
func (s *storage) serve(w http.ResponseWriter, r storageRequest, path string) error {
	service, rest, _ := strings.Cut(path, "/")
	switch service {
	case "bucket":
		return s.serveBucket(w, r, rest)
	case "object":
		return s.serveObject(w, r, rest)
	case "status":
		w.WriteHeader(http.StatusOK)
		return nil
	}
	return errNoRoute(r.Request)
}

func (s *storage) serveObject(w http.ResponseWriter, r storageRequest, path string) error {
	first, rest, _ := strings.Cut(path, "/")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case first == "list" && r.Method == http.MethodPost:
		return s.list(w, r, rest)
	case first == "list-v2" && r.Method == http.MethodPost:
		return s.listV2(w, r, rest)
	case first == "info" && r.Method == http.MethodGet:
		bucket, name, _ := strings.Cut(strings.TrimPrefix(rest, "authenticated/"), "/")
		return s.info(w, r, bucket, name)
	case first == "authenticated" && reads:
		bucket, name, _ := strings.Cut(rest, "/")
		return s.download(w, r, bucket, name)
	case rest == "" && r.Method == http.MethodDelete:
		return s.removeMany(w, r, first)
	case rest == "":
		return errNoRoute(r.Request)
	case reads:
		return s.download(w, r, first, rest)
	case r.Method == http.MethodPost:
		return s.upload(w, r, first, rest, strings.EqualFold(r.Header.Get("X-Upsert"), "true"))
	case r.Method == http.MethodPut:
		return s.upload(w, r, first, rest, true)
	case r.Method == http.MethodDelete:
		return s.remove(w, r, first, rest)
	}
	return errNoRoute(r.Request)
}
