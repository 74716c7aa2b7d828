package api

import (
	"net/http"
	"time"
)

// response is the ResponseWriter of one request. It remembers whether the
// answer has begun and gives every write the time it may take.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	// body of the request; nil if there is none. net/http has to find its own
	// in r.Body, to know what to do about the unread rest.
	body *requestBody
	// status that was sent; 0 until then.
	status int
}

// lingerTime is how long the rest of a body nobody wants may take to arrive.
const lingerTime = 5 * time.Second

func newResponse(w http.ResponseWriter, r *http.Request, opts Options) *response {
	out := &response{ResponseWriter: w, control: http.NewResponseController(w), timeout: opts.BodyTimeout}
	if r.Body != nil && r.Body != http.NoBody {
		out.body = newRequestBody(r, out.control, opts)
	}
	out.allowTime()
	return out
}

// allowTime lets the next write take the timeout. An error means that the
// connection is gone, which the write will show.
func (w *response) allowTime() { _ = w.control.SetWriteDeadline(time.Now().Add(w.timeout)) }

// waive takes the timeout back: nothing is to be written for a while.
func (w *response) waive() { _ = w.control.SetWriteDeadline(time.Time{}) }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	if w.body != nil && !w.body.ended() {
		// Before the answer net/http reads what is left of a short body.
		_ = w.control.SetReadDeadline(time.Now().Add(lingerTime))
	}
	w.allowTime()
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.allowTime()
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
