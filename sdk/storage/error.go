package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Error is the one error type of the contract. It survives the process
// boundary with all its fields but Err, of which the text survives.
type Error struct {
	// Op is the operation in lower case: get, put, stat, delete, list, batch,
	// commit, copy, watch, open.
	Op string
	// Backend and Plugin name where it happened, as the operator named it.
	Backend string
	Plugin  string
	// Key is the key of the operation, if it had one.
	Key string
	// Code classifies the error.
	Code Code
	// Temporary says that the same call may succeed soon.
	Temporary bool
	// RetryAfter is the least time to wait before that; 0 means unknown.
	RetryAfter time.Duration
	// Current is the etag the object had when a condition failed; empty if it
	// did not exist.
	Current string
	// OutcomeUnknown is set on the error of a write that may have happened.
	OutcomeUnknown bool
	// Retried is set by a layer that has already retried the operation, so
	// that layers around it do not retry again.
	Retried bool
	// Err is the cause. May be nil.
	Err error
}

// Errorf returns an Error of the given code whose cause is the formatted
// text. Transient codes set Temporary.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Temporary: code.Transient(), Err: fmt.Errorf(format, args...)}
}

// text is an error made of a constant text.
type text string

func (t text) Error() string { return string(t) }

// Error formats as: put "key" on backend "disk" (plugin local): unavailable:
// cause. Keys are quoted and cut at 120 bytes.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		if e.Key != "" {
			key := e.Key
			if len(key) > 120 {
				key = key[:120] + "…"
			}
			fmt.Fprintf(&b, " %q", key)
		}
	}
	if e.Backend != "" {
		if b.Len() > 0 {
			b.WriteString(" on ")
		}
		fmt.Fprintf(&b, "backend %q", e.Backend)
	}
	if e.Plugin != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "(plugin %s)", e.Plugin)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(e.Code.Error())
	if e.OutcomeUnknown {
		b.WriteString(", the outcome of the write is unknown")
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, ErrNotFound) hold by code, and lets Canceled and
// DeadlineExceeded match the errors of package context.
func (e *Error) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.Code == CodeCanceled
	case context.DeadlineExceeded:
		return e.Code == CodeDeadlineExceeded
	}
	code, ok := target.(Code)
	return ok && e.Code == code
}

// CodeOf returns the code of err: that of the outermost *Error or Code in its
// tree, Canceled or DeadlineExceeded for the errors of package context, else
// Internal. It must not be called with nil.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	var c Code
	switch {
	case errors.As(err, &c):
		return c
	case errors.Is(err, context.DeadlineExceeded):
		return CodeDeadlineExceeded
	case errors.Is(err, context.Canceled):
		return CodeCanceled
	default:
		return CodeInternal
	}
}

// AsError returns err as an *Error that the caller owns and may change: a copy
// of the outermost *Error in its tree, or a new one around err. The text of
// errors that wrapped an *Error is kept. AsError(nil) is nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok { //nolint:errorlint // only the outermost is taken as it is
		c := *e
		return &c
	}
	code := CodeOf(err)
	out := &Error{Code: code, Temporary: code.Transient(), Err: err}
	var inner *Error
	if errors.As(err, &inner) {
		out.Temporary, out.RetryAfter = inner.Temporary, inner.RetryAfter
		out.Current, out.OutcomeUnknown, out.Retried = inner.Current, inner.OutcomeUnknown, inner.Retried
	}
	return out
}

// Annotate returns err as an *Error with the empty ones of Op and Key filled
// in. Annotate(nil) is nil.
func Annotate(err error, op, key string) error {
	if err == nil {
		return nil
	}
	e := AsError(err)
	if e.Op == "" {
		e.Op = op
	}
	if e.Key == "" {
		e.Key = key
	}
	return e
}
