package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// problem is the part of an error document that an Error is made of.
type problem struct {
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Backend string `json:"backend"`
	Plugin  string `json:"plugin"`
	Outcome string `json:"outcome"`
}

const maxProblemBytes = 64 << 10

// answeredError is the error that an answer stands for.
func answeredError(resp *http.Response, write bool) error {
	var p problem
	documented := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json")
	if documented && resp.Request.Method != http.MethodHead {
		if json.NewDecoder(io.LimitReader(resp.Body, maxProblemBytes)).Decode(&p) != nil {
			p = problem{}
		}
	}
	if p.Code == "" {
		p.Code = resp.Header.Get(headerCode)
	}
	code, known := codeNamed(p.Code)
	if !known {
		code = codeOfStatus(resp.StatusCode)
	}
	e := &storage.Error{
		Code: code, Temporary: code.Transient(), Backend: p.Backend, Plugin: p.Plugin,
		OutcomeUnknown: p.Outcome == "unknown",
	}
	if !documented { // something on the way answered, and knows nothing of the write
		e.OutcomeUnknown = write && resp.StatusCode >= 500
		p.Detail = "the answer " + resp.Status + " is not one of a Stowage host"
	}
	if p.Detail != "" && p.Detail != code.Error() {
		e.Err = errors.New(p.Detail)
	}
	if code == storage.CodeFailedPrecondition {
		e.Current, _ = unquote(resp.Header.Get("ETag"))
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// asError is the error of a problem that came with an answer.
func (p problem) asError() error {
	code, known := codeNamed(p.Code)
	if !known {
		code = storage.CodeInternal
	}
	e := storage.Errorf(code, "%s", p.Detail)
	e.Backend, e.Plugin = p.Backend, p.Plugin
	return e
}

func codeNamed(name string) (storage.Code, bool) {
	for code := storage.CodeInternal; code <= storage.CodePermissionDenied; code++ {
		if code.String() == name {
			return code, true
		}
	}
	return 0, false
}

func codeOfStatus(status int) storage.Code {
	switch status {
	case http.StatusNotFound:
		return storage.CodeNotFound
	case http.StatusPreconditionFailed:
		return storage.CodeFailedPrecondition
	case http.StatusRequestedRangeNotSatisfiable:
		return storage.CodeOutOfRange
	case http.StatusRequestEntityTooLarge:
		return storage.CodeTooLarge
	case http.StatusTooManyRequests:
		return storage.CodeThrottled
	case http.StatusInsufficientStorage:
		return storage.CodeQuotaExceeded
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return storage.CodeUnauthenticated
	case http.StatusForbidden:
		return storage.CodePermissionDenied
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return storage.CodeUnimplemented
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return storage.CodeUnavailable
	case http.StatusGatewayTimeout:
		return storage.CodeDeadlineExceeded
	}
	if status/100 == 4 {
		return storage.CodeInvalidArgument
	}
	return storage.CodeInternal
}

// connectionError is the error of a call that got no answer. A write may have
// happened once all of it had been sent.
func connectionError(ctx context.Context, cl *call, err error, sent bool) error {
	whole := true
	if cl.body != nil {
		var bodyErr error
		if whole, bodyErr = cl.body.progress(); bodyErr != nil {
			return storage.AsError(bodyErr)
		}
	}
	e := storage.Errorf(storage.CodeUnavailable, "no answer from the host: %w", err)
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		e = storage.Errorf(storage.CodeUnauthenticated, "the host does not prove who it is: %w", err)
	}
	if ctxErr := ctx.Err(); ctxErr != nil {
		e = storage.AsError(ctxErr)
	}
	e.OutcomeUnknown = cl.write && sent && whole
	return e
}

// malformed is the error of an answer that breaks the API.
func malformed(format string, args ...any) error {
	return storage.Errorf(storage.CodeInternal, "the answer is not one of a Stowage host: "+format, args...)
}

// answerBody reads the value out of an answer, and gives the errors of the
// connection their code.
type answerBody struct {
	io.ReadCloser
	// canceled is the Err of the context that governs the read.
	canceled func() error
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil || err == io.EOF { // a wrapped io.EOF is no end
		return n, err
	}
	if canceled := b.canceled(); canceled != nil {
		return n, storage.AsError(canceled)
	}
	return n, storage.Errorf(storage.CodeUnavailable, "the answer broke off: %w", err)
}
