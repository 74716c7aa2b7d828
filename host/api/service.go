package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (h *handler) status(w *response, r *http.Request) { h.writeJSON(w, r, h.host.Status()) }

// health says that the process answers.
func (h *handler) health(w *response, _ *http.Request) { writeLine(w, "ok") }

// ready says whether a balancer should send requests here.
func (h *handler) ready(w *response, r *http.Request) {
	err := h.host.Ready()
	if h.gate.isDraining() {
		err = errDraining
	}
	if err != nil {
		h.fail(w, r, storage.Errorf(storage.CodeUnavailable, "%w", err))
		return
	}
	writeLine(w, "ready")
}

func writeLine(w *response, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(line)+1))
	_, _ = io.WriteString(w, line+"\n") // the caller may be gone
}

func (h *handler) metrics(w *response, r *http.Request) {
	metrics := h.host.Metrics()
	if metrics == nil {
		h.refuse(w, r, problem{
			status: http.StatusNotFound, Code: storage.CodeNotFound.String(), Detail: "this host keeps no metrics",
		})
		return
	}
	metrics.ServeHTTP(w, r)
}

// writeJSON answers with doc. Documents are bounded: a page of a listing, or
// the status.
func (h *handler) writeJSON(w *response, r *http.Request, doc any) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(doc); err != nil {
		h.fail(w, r, storage.Errorf(storage.CodeInternal, "encode the answer: %w", err))
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(buf.Len()))
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return
	}
	for buf.Len() > 0 {
		if _, err := w.Write(buf.Next(bufferSize)); err != nil {
			return // the caller is gone
		}
	}
}
