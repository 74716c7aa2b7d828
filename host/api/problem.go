package api

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const problemType = "application/problem+json"

// problem is an answer as RFC 9457 writes it.
type problem struct {
	status int

	Title  string `json:"title"`
	Status int    `json:"status"`
	// Code is the name of a storage.Code.
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Backend string `json:"backend,omitempty"`
	Plugin  string `json:"plugin,omitempty"`
	// Outcome is "unknown" for a write that may have happened.
	Outcome string `json:"outcome,omitempty"`
}

func encodeProblem(p problem) []byte {
	p.Title, p.Status = http.StatusText(p.status), p.status
	doc, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and an integer always encode
	}
	return append(doc, '\n')
}

// refuse answers with p.
func (h *handler) refuse(w *response, r *http.Request, p problem) {
	doc := encodeProblem(p)
	header := w.Header()
	header.Set("Content-Type", problemType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(doc)))
	header.Set(headerCode, p.Code)
	if p.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="stowage"`)
	}
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(doc) // the caller may be gone; there is nobody else to tell
	}
}

// fail answers with the problem that err is.
func (h *handler) fail(w *response, r *http.Request, err error) {
	h.failAs(w, r, err, statusOf(storage.CodeOf(err)))
}

// failAs is fail with a status that says more than the code of err does.
func (h *handler) failAs(w *response, r *http.Request, err error, status int) {
	e := storage.AsError(err)
	if e.Code == storage.CodeFailedPrecondition && e.Current != "" {
		w.Header().Set("ETag", quote(e.Current))
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", retryAfter(e.RetryAfter))
	}
	if status == http.StatusInternalServerError {
		h.opts.Logger.Warn("a request failed", "method", r.Method, "error", err)
	}
	h.refuse(w, r, problemOf(err, status))
}

func problemOf(err error, status int) problem {
	e := storage.AsError(err)
	p := problem{status: status, Code: e.Code.String(), Detail: e.Code.Error(), Backend: e.Backend, Plugin: e.Plugin}
	if e.Err != nil {
		p.Detail = e.Err.Error()
	}
	if e.OutcomeUnknown {
		p.Outcome = "unknown"
	}
	return p
}

// retryAfter is d in whole seconds, rounded up: 1 if it is unknown.
func retryAfter(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

func statusOf(code storage.Code) int {
	switch code {
	case storage.CodeNotFound:
		return http.StatusNotFound
	case storage.CodeFailedPrecondition:
		return http.StatusPreconditionFailed
	case storage.CodeAborted:
		return http.StatusConflict
	case storage.CodeInvalidArgument:
		return http.StatusBadRequest
	case storage.CodeOutOfRange:
		return http.StatusRequestedRangeNotSatisfiable
	case storage.CodeUnimplemented:
		return http.StatusNotImplemented
	case storage.CodeThrottled:
		return http.StatusTooManyRequests
	case storage.CodeQuotaExceeded:
		return http.StatusInsufficientStorage
	case storage.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case storage.CodeUnavailable, storage.CodeCanceled:
		// The caller did not give up, or there would be nobody to answer: the
		// host did, because it stops.
		return http.StatusServiceUnavailable
	case storage.CodeDeadlineExceeded:
		return http.StatusGatewayTimeout
	case storage.CodeUnauthenticated:
		return http.StatusUnauthorized
	case storage.CodePermissionDenied:
		return http.StatusForbidden
	default: // DataLoss, Internal
		return http.StatusInternalServerError
	}
}
