package supabase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// failure is what came of an attempt that did not succeed.
type failure struct {
	code storage.Code
	// retry: the same request may succeed soon.
	retry bool
	// doubt: the request may have been carried out all the same.
	doubt bool
	// after is how long the project asks to wait first.
	after time.Duration
	// api is the error code of the body: an SQLSTATE, a code of PostgREST's, or
	// one of Storage's. status is that of the answer, or the one that Storage
	// hides in the body. 0: there was no answer.
	api    string
	status int
	text   string
	cause  error
	// missing: Storage knows the bucket and has no such object in it.
	missing bool
}

// Error implements error.
func (f *failure) Error() string {
	if f.cause != nil {
		return f.text + ": " + f.cause.Error()
	}
	return f.text
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.cause }

// err returns the failure for a caller. retried: it was not the first attempt.
func (f *failure) err(retried bool) *storage.Error {
	return &storage.Error{Code: f.code, Temporary: f.retry, RetryAfter: f.after, Retried: retried, Err: f}
}

// apiError is the body of an error: of PostgREST, of Storage or of the gateway.
type apiError struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Details    string `json:"details"`
	StatusCode string `json:"statusCode"`
	Error      string `json:"error"`
}

// maxErrorBody is how much of an error's body is looked at, in bytes.
const maxErrorBody = 64 << 10

// judgeError is for an attempt that brought no answer. sent: the request may
// have reached the project.
func judgeError(ctx context.Context, err error, sent bool) *failure {
	f := &failure{code: storage.CodeUnavailable, retry: true, doubt: sent, text: "no answer from the project", cause: plain(err)}
	var tooLong *answerTooLong
	switch {
	case context.Cause(ctx) == errNoAnswer: //nolint:errorlint // it is not wrapped
		f.cause = errNoAnswer
	case ctx.Err() != nil:
		f.ended(ctx, "no answer from the project yet")
	case errors.As(err, &tooLong):
		f.retry, f.code = false, storage.CodeInternal
	case !sent && isUntrusted(err):
		f.retry = false
		f.text = "the project's certificate is not trusted; ca_file names other certificates to trust"
	}
	return f
}

// ended says that ctx ended, and what was known before.
func (f *failure) ended(ctx context.Context, text string) {
	e := storage.AsError(cause(ctx))
	f.code, f.retry, f.text, f.cause = e.Code, false, text, e.Err
}

// plain takes away the URL that package http puts around an error.
func plain(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// judgeAnswer is for an answer with a status that is not a success.
func judgeAnswer(status int, h http.Header, body []byte, scrub func(string) string) *failure {
	var api apiError
	if json.Unmarshal(body, &api) != nil {
		api = apiError{Message: http.StatusText(status)}
	}
	if hidden, err := strconv.Atoi(api.StatusCode); err == nil && hidden >= 400 && hidden < 600 {
		status = hidden
	}
	f := &failure{status: status, api: api.Code, after: retryAfter(h)}
	for _, text := range []*string{&api.Message, &api.Details, &api.Error} {
		*text = scrub(*text) // before it is cut, since half a key is not recognised
	}
	f.text = describe(status, api)
	f.missing = isMissing(status, api)
	if !f.judgeCode() {
		f.judgeStatus(status)
	}
	return f
}

// isMissing tells an object that is not there from a bucket that is not. Newer
// versions of Storage give a code.
func isMissing(status int, api apiError) bool {
	return api.Code == "NoSuchKey" ||
		status == http.StatusNotFound && api.Code != "NoSuchBucket" && strings.EqualFold(api.Message, "Object not found")
}

func describe(status int, api apiError) string {
	text := strings.TrimRight(api.Message, ". \n")
	if text == "" {
		text = api.Error
	}
	if text == "" {
		text = http.StatusText(status)
	}
	if api.Details != "" {
		text += ": " + strings.TrimRight(api.Details, ". \n")
	}
	code := ""
	if api.Code != "" {
		code = ", " + api.Code
	}
	return fmt.Sprintf("the project answered %d%s: %s", status, code, cut(text, 500))
}

func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

// judgeCode knows the codes of PostgREST and the SQLSTATEs of PostgreSQL, which
// say more than the status. A statement that failed was rolled back, so nothing
// of it happened; a connection that failed may have committed.
func (f *failure) judgeCode() bool {
	switch code := f.api; code {
	case "PGRST000", "PGRST003":
		f.code, f.retry = storage.CodeUnavailable, true
	case "PGRST001", "PGRST002":
		f.code, f.retry, f.doubt = storage.CodeUnavailable, true, true
	case "PGRST301", "PGRST302", "PGRST303":
		f.code = storage.CodeUnauthenticated
	case "PGRST106", "PGRST203":
		f.code = storage.CodeUnavailable
	case "40001", "40P01":
		f.code, f.retry = storage.CodeUnavailable, true
	case "57014":
		f.code = storage.CodeDeadlineExceeded
	case "42501":
		f.code = storage.CodePermissionDenied
	case "53100", "25006": // the disk is full; a full project becomes read-only
		f.code = storage.CodeQuotaExceeded
	default:
		switch {
		case f.missesSchema():
			f.code = storage.CodeUnavailable
		case len(code) != 5:
			return false
		case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"):
			f.code, f.retry, f.doubt = storage.CodeUnavailable, true, true
		case strings.HasPrefix(code, "53"), code == "55P03":
			f.code, f.retry = storage.CodeUnavailable, true
		case code[0] >= '0' && code[0] <= '9', strings.HasPrefix(code, "P0"), strings.HasPrefix(code, "XX"):
			f.code = storage.CodeInternal
		default:
			return false
		}
	}
	return true
}

func (f *failure) judgeStatus(status int) {
	switch status {
	case http.StatusUnauthorized:
		f.code = storage.CodeUnauthenticated
	case http.StatusForbidden:
		f.code = storage.CodePermissionDenied
	case http.StatusNotFound:
		f.code = storage.CodeUnavailable
	case http.StatusRequestEntityTooLarge:
		f.code = storage.CodeTooLarge
	case http.StatusTooManyRequests:
		f.code, f.retry = storage.CodeThrottled, true
	case http.StatusLocked:
		f.code, f.retry = storage.CodeUnavailable, true
	case http.StatusInsufficientStorage:
		f.code = storage.CodeQuotaExceeded
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		520, 521, 522, 523, 524, 525, 544: // the CDN's, and Storage's for a database that timed out
		f.code, f.retry, f.doubt = storage.CodeUnavailable, true, true
	default:
		f.code, f.doubt = storage.CodeInternal, status >= 500
	}
}

// retryAfter reads the header, in seconds or as a date; 0 if there is none.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return min(time.Duration(seconds)*time.Second, time.Hour)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), time.Hour)
	}
	return 0
}

// missesSchema reports whether the tables or functions are not there, or not
// known to PostgREST yet.
func (f *failure) missesSchema() bool {
	return slices.Contains([]string{"PGRST202", "PGRST205", "42883", "42P01", "3F000"}, f.api)
}
