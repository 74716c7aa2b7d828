package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/api/internal/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// failingBackend fails every operation with err, and gives the reader to Get
// if there is one.
type failingBackend struct {
	memory.Backend
	err    error
	reader func() *storage.Reader
}

func (b *failingBackend) Get(context.Context, string, storage.GetOptions) (*storage.Reader, error) {
	if b.reader != nil {
		return b.reader(), nil
	}
	return nil, b.err
}

func (b *failingBackend) Stat(context.Context, string, storage.StatOptions) (storage.Object, error) {
	return storage.Object{}, b.err
}

func (b *failingBackend) Put(_ context.Context, _ string, body io.Reader, _ storage.PutOptions) (storage.PutResult, error) {
	_, _ = io.Copy(io.Discard, body)
	return storage.PutResult{}, b.err
}

func (b *failingBackend) Delete(context.Context, string, storage.DeleteOptions) (storage.Deleted, error) {
	return storage.Deleted{}, b.err
}

func (b *failingBackend) List(context.Context, storage.ListOptions) (storage.Page, error) {
	return storage.Page{}, b.err
}

func TestErrorsOfTheStore(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		status     int
		code       string
		retryAfter string
	}{
		"not found":           {&storage.Error{Code: storage.CodeNotFound}, 404, "NotFound", ""},
		"failed precondition": {&storage.Error{Code: storage.CodeFailedPrecondition, Current: "e9"}, 412, "FailedPrecondition", ""},
		"aborted":             {&storage.Error{Code: storage.CodeAborted}, 409, "Aborted", ""},
		"invalid argument":    {&storage.Error{Code: storage.CodeInvalidArgument}, 400, "InvalidArgument", ""},
		"out of range":        {&storage.Error{Code: storage.CodeOutOfRange}, 416, "OutOfRange", ""},
		"unimplemented":       {&storage.Error{Code: storage.CodeUnimplemented}, 501, "Unimplemented", ""},
		"throttled":           {&storage.Error{Code: storage.CodeThrottled, RetryAfter: 2500 * time.Millisecond}, 429, "Throttled", "3"},
		"throttled, no hint":  {&storage.Error{Code: storage.CodeThrottled}, 429, "Throttled", "1"},
		"quota exceeded":      {&storage.Error{Code: storage.CodeQuotaExceeded}, 507, "QuotaExceeded", ""},
		"too large":           {&storage.Error{Code: storage.CodeTooLarge}, 413, "TooLarge", ""},
		"unavailable":         {&storage.Error{Code: storage.CodeUnavailable, RetryAfter: time.Minute}, 503, "Unavailable", "60"},
		"deadline exceeded":   {context.DeadlineExceeded, 504, "DeadlineExceeded", ""},
		"data loss":           {&storage.Error{Code: storage.CodeDataLoss}, 500, "DataLoss", ""},
		"unauthenticated":     {&storage.Error{Code: storage.CodeUnauthenticated}, 401, "Unauthenticated", ""},
		"permission denied":   {&storage.Error{Code: storage.CodePermissionDenied}, 403, "PermissionDenied", ""},
		"internal":            {&storage.Error{Code: storage.CodeInternal}, 500, "Internal", ""},
		"unknown to us":       {errors.New("strange"), 500, "Internal", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := storage.AsError(c.err)
			e.Backend, e.OutcomeUnknown = "disk", true
			f := start(t, &failingBackend{err: e}, Options{})
			for _, method := range []string{"GET", "PUT", "DELETE", "HEAD"} {
				a := f.do(method, "/v1/objects/a", "")
				if a.StatusCode != c.status || a.Header.Get("Retry-After") != c.retryAfter || a.Header.Get("Stowage-Code") != c.code {
					t.Errorf("%s: %s, Retry-After %q, Stowage-Code %q", method, a.Status, a.Header.Get("Retry-After"), a.Header.Get("Stowage-Code"))
				}
				if etag := a.Header.Get("ETag"); (etag == `"e9"`) != (c.status == 412) {
					t.Errorf("%s: ETag %q", method, etag)
				}
				if (a.Header.Get("WWW-Authenticate") != "") != (c.status == 401) {
					t.Errorf("%s: WWW-Authenticate %q", method, a.Header.Get("WWW-Authenticate"))
				}
				if method == "HEAD" {
					continue
				}
				p := a.problem(t)
				if p.Code != c.code || p.Backend != "disk" || p.Outcome != "unknown" || p.Detail == "" || p.Status != c.status {
					t.Errorf("%s: %+v", method, p)
				}
			}
		})
	}
}

func TestAReadThatFailsBeforeTheFirstByteIsAnError(t *testing.T) {
	f := start(t, &failingBackend{reader: func() *storage.Reader {
		o := storage.Object{Key: "a", Size: 5, ETag: "e", CRC32C: 1}
		return storage.NewReader(o, 0, 5, io.NopCloser(strings.NewReader("hello")))
	}}, Options{})
	a := f.do("GET", "/v1/objects/a", "")
	if p := a.problem(t); a.StatusCode != 500 || p.Code != "DataLoss" {
		t.Errorf("%s %+v", a.Status, p)
	}
}

func TestAReadThatFailsLaterBreaksTheConnection(t *testing.T) {
	value := bytes.Repeat([]byte("x"), 5*bufferSize)
	for name, body := range map[string]io.Reader{
		"error":         io.MultiReader(bytes.NewReader(value[:3*bufferSize]), brokenReader{}),
		"short":         bytes.NewReader(value[:3*bufferSize]),
		"damaged bytes": bytes.NewReader(append(bytes.Clone(value[1:]), 'y')),
		"one byte less": bytes.NewReader(value[1:]),
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, &failingBackend{reader: func() *storage.Reader {
				o := storage.Object{Key: "a", Size: int64(len(value)), ETag: "e", CRC32C: storage.Checksum(0, value)}
				return storage.NewReader(o, 0, o.Size, io.NopCloser(body))
			}}, Options{})
			a := f.do("GET", "/v1/objects/a", "")
			if a.StatusCode != 200 || !errors.Is(a.broken, io.ErrUnexpectedEOF) || len(a.body) >= len(value) {
				t.Errorf("%s, %d bytes, error %v; want a broken body", a.Status, len(a.body), a.broken)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

type panickingBackend struct{ memory.Backend }

func (*panickingBackend) Stat(context.Context, string, storage.StatOptions) (storage.Object, error) {
	panic("a bug")
}

func TestAPanicIsContained(t *testing.T) {
	f := start(t, new(panickingBackend), Options{MaxRequests: 1})
	for range 3 { // the gate must be left, too
		a := f.do("HEAD", "/v1/objects/a", "")
		if a.StatusCode != 500 || a.Header.Get("Stowage-Code") != "Internal" {
			t.Fatalf("%s %v", a.Status, a.Header)
		}
	}
	f.put("/v1/objects/a", "goes on")
}
