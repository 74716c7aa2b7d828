package api

import (
	"io"
	"net/http"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (h *handler) put(w *response, r *http.Request, key string) {
	opts, f, err := parsePut(r)
	if err == nil && r.Header.Get("Content-Range") != "" {
		err = storage.Errorf(storage.CodeInvalidArgument, "Content-Range: a value is stored as a whole")
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if coding, set := r.Header["Content-Encoding"]; set {
		w.Header().Set("Accept-Encoding", "identity")
		h.failAs(w, r, storage.Errorf(storage.CodeInvalidArgument, "Content-Encoding %q: values are stored as they are sent", strings.Join(coding, ", ")),
			http.StatusUnsupportedMediaType)
		return
	}
	if limit := h.opts.MaxObjectSize; limit > 0 && r.ContentLength > limit {
		h.fail(w, r, overLimit(limit))
		return
	}
	var body io.Reader = http.NoBody
	if w.body != nil {
		body = w.body
	}
	res, err := h.host.Store().Put(r.Context(), key, body, opts)
	f.remember(w.Header())
	if err != nil {
		h.failPut(w, r, err)
		return
	}
	describe(w.Header(), res.Object)
	w.Header().Set(headerCreated, res.Created.String())
	w.Header().Set("Content-Length", "0")
	status := http.StatusOK
	if res.Created == storage.Yes {
		status = http.StatusCreated
	}
	w.WriteHeader(status)
}

// failPut says so when it was the body that failed, and not the store.
func (h *handler) failPut(w *response, r *http.Request, err error) {
	if w.body == nil || w.body.status == 0 {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Connection", "close")
	e := storage.AsError(w.body.err)
	e.OutcomeUnknown = storage.AsError(err).OutcomeUnknown
	if e.Code == storage.CodeCanceled {
		e.Code = storage.CodeInvalidArgument
	}
	h.failAs(w, r, e, w.body.status)
}

func (h *handler) delete(w *response, r *http.Request, key string) {
	f, err := parseFreshness(r.Header)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	condition, err := parseWriteCondition(r.Header)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	res, err := h.host.Store().Delete(r.Context(), key, storage.DeleteOptions{
		If: condition, Consistency: f.consistency, Session: f.session,
	})
	f.remember(w.Header())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set(headerExisted, res.Existed.String())
	w.WriteHeader(http.StatusNoContent)
}
