package api

import (
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// bufferSize is how much of a body is held at once.
const bufferSize = 32 << 10

// handler answers every request. It does not use http.ServeMux, which cleans
// paths: keys are taken as they are.
type handler struct {
	host        Host
	opts        Options
	gate        *gate
	connections *connections
	guard       *guard
	buffers     *sync.Pool // of *[bufferSize]byte
}

func (h *handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	h.connections.busy(r.Context())
	w := newResponse(rw, r, h.opts)
	defer h.contain(w, r)
	if err := h.guard.checkOrigin(r); err != nil {
		h.fail(w, r, err)
		return
	}
	if r.Method != http.MethodPut && !w.body.discard() {
		w.Header().Set("Connection", "close")
		h.refuse(w, r, problem{
			status: http.StatusRequestEntityTooLarge, Code: storage.CodeInvalidArgument.String(),
			Detail: "only a PUT has a body",
		})
		return
	}
	path := r.URL.EscapedPath()
	switch path {
	case "/healthz":
		h.only(w, r, h.health, http.MethodGet, http.MethodHead)
		return
	case "/readyz":
		h.only(w, r, h.ready, http.MethodGet, http.MethodHead)
		return
	}
	if err := h.guard.checkCredentials(r); err != nil {
		h.fail(w, r, err)
		return
	}
	switch path {
	case "/v1/objects":
		h.only(w, r, h.admitted(h.list), http.MethodGet, http.MethodHead)
	case "/v1/status":
		h.only(w, r, h.status, http.MethodGet, http.MethodHead)
	case "/metrics":
		h.only(w, r, h.metrics, http.MethodGet, http.MethodHead)
	case "*":
		h.only(w, r, serverOptions, http.MethodOptions)
	default:
		if escaped, ok := strings.CutPrefix(path, objectPath); ok {
			h.only(w, r, h.admitted(h.object(escaped)), objectMethods()...)
			return
		}
		if escaped, ok := strings.CutPrefix(path, repairPath); ok {
			h.only(w, r, h.admitted(h.repair(escaped)), http.MethodPost)
			return
		}
		h.refuse(w, r, problem{
			status: http.StatusNotFound, Code: storage.CodeNotFound.String(),
			Detail: "there is nothing at this path; objects are under " + objectPath + "{key}",
		})
	}
}

func objectMethods() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete}
}

func allowed(methods ...string) string { return strings.Join(methods, ", ") }

// serverOptions answers OPTIONS * with what the host can do at all.
func serverOptions(w *response, _ *http.Request) {
	w.Header().Set("Allow", allowed(objectMethods()...))
	w.WriteHeader(http.StatusNoContent)
}

// action answers a request that was let in.
type action func(w *response, r *http.Request)

// only runs do if the request has one of the methods.
func (h *handler) only(w *response, r *http.Request, do action, methods ...string) {
	for _, m := range methods {
		if r.Method == m {
			do(w, r)
			return
		}
	}
	w.Header().Set("Allow", allowed(methods...))
	h.refuse(w, r, problem{
		status: http.StatusMethodNotAllowed, Code: storage.CodeUnimplemented.String(),
		Detail: "this path answers " + allowed(methods...),
	})
}

// admitted passes do through the gate.
func (h *handler) admitted(do action) action {
	return func(w *response, r *http.Request) {
		if err := h.gate.enter(); err != nil {
			h.fail(w, r, err)
			return
		}
		defer h.gate.leave()
		do(w, r)
	}
}

// object dispatches on the method for the key that was escaped in the path.
func (h *handler) object(escaped string) action {
	return func(w *response, r *http.Request) {
		key, err := decodeKey(escaped)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		switch r.Method {
		case http.MethodGet:
			h.get(w, r, key)
		case http.MethodHead:
			h.head(w, r, key)
		case http.MethodPut:
			h.put(w, r, key)
		default:
			h.delete(w, r, key)
		}
	}
}

// contain turns a panic into a 500, or breaks the connection if the answer has
// begun.
func (h *handler) contain(w *response, r *http.Request) {
	v := recover()
	switch v {
	case nil:
		return
	case http.ErrAbortHandler: // net/http compares it the same way
		panic(v)
	}
	h.opts.Logger.Error("panic while answering a request", "method", r.Method, "panic", v, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	h.refuse(w, r, problem{
		status: http.StatusInternalServerError, Code: storage.CodeInternal.String(),
		Detail: "the request ran into a fault of the host; its log says more",
	})
}
