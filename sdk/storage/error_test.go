package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestErrorText(t *testing.T) {
	cases := []struct {
		err  storage.Error
		want string
	}{
		{storage.Error{Code: storage.CodeNotFound}, "not found"},
		{storage.Error{Op: "list", Code: storage.CodeThrottled}, "list: throttled"},
		{storage.Error{Op: "get", Key: "a b", Code: storage.CodeNotFound}, `get "a b": not found`},
		{
			storage.Error{Op: "put", Key: "k", Backend: "disk", Plugin: "local", Code: storage.CodeUnavailable, Err: io.ErrUnexpectedEOF},
			`put "k" on backend "disk" (plugin local): unavailable: unexpected EOF`,
		},
		{storage.Error{Backend: "disk", Code: storage.CodeInternal}, `backend "disk": internal error`},
		{storage.Error{Op: "put", Code: storage.CodeDeadlineExceeded, OutcomeUnknown: true}, "put: deadline exceeded, the outcome of the write is unknown"},
		{storage.Error{Op: "get", Key: "\n\x00", Code: storage.CodeNotFound}, `get "\n\x00": not found`},
		{storage.Error{Op: "get", Key: strings.Repeat("k", 121), Code: storage.CodeNotFound}, `get "` + strings.Repeat("k", 120) + `…": not found`},
		{storage.Error{Code: 200}, "unknown error"},
	}
	for _, c := range cases {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestErrorIsFoundByItsCode(t *testing.T) {
	err := fmt.Errorf("layer: %w", &storage.Error{Code: storage.CodeNotFound, Err: fmt.Errorf("cause: %w", io.EOF)})
	if !errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrInternal) || errors.Is(err, storage.ErrAborted) {
		t.Error("errors.Is does not go by the code")
	}
	if !errors.Is(err, io.EOF) {
		t.Error("the cause is not found")
	}
	var e *storage.Error
	if !errors.As(err, &e) || e.Code != storage.CodeNotFound {
		t.Error("errors.As does not find the *Error")
	}
	for code, target := range map[storage.Code]error{storage.CodeCanceled: context.Canceled, storage.CodeDeadlineExceeded: context.DeadlineExceeded} {
		if !errors.Is(&storage.Error{Code: code}, target) || errors.Is(&storage.Error{Code: storage.CodeNotFound}, target) {
			t.Errorf("%s and %v do not go together", code.String(), target)
		}
	}
}

func TestCodeOf(t *testing.T) {
	cases := []struct {
		name string
		err  error
		want storage.Code
	}{
		{"an *Error", &storage.Error{Code: storage.CodeThrottled}, storage.CodeThrottled},
		{"a code", storage.ErrTooLarge, storage.CodeTooLarge},
		{"a wrapped code", fmt.Errorf("x: %w", storage.ErrTooLarge), storage.CodeTooLarge},
		{"the outermost of two", &storage.Error{Code: storage.CodeDataLoss, Err: storage.ErrNotFound}, storage.CodeDataLoss},
		{"canceled", fmt.Errorf("x: %w", context.Canceled), storage.CodeCanceled},
		{"deadline", context.DeadlineExceeded, storage.CodeDeadlineExceeded},
		{"anything else", io.EOF, storage.CodeInternal},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := storage.CodeOf(c.err); got != c.want {
				t.Errorf("got %s, want %s", got.String(), c.want.String())
			}
		})
	}
}

func TestAsErrorGivesTheCallerACopy(t *testing.T) {
	if storage.AsError(nil) != nil {
		t.Error("nil became an error")
	}
	original := &storage.Error{Code: storage.CodeNotFound, Key: "k"}
	changed := storage.AsError(original)
	changed.Key = "changed"
	if original.Key != "k" {
		t.Error("the original was changed")
	}
}

func TestAsErrorKeepsWhatWrappingHides(t *testing.T) {
	inner := &storage.Error{
		Op: "put", Key: "k", Code: storage.CodeThrottled, Temporary: true, RetryAfter: time.Second,
		Current: "v1", OutcomeUnknown: true, Retried: true,
	}
	got := storage.AsError(fmt.Errorf("while copying: %w", inner))
	if got.Code != inner.Code || !got.Temporary || got.RetryAfter != time.Second || got.Current != "v1" || !got.OutcomeUnknown || !got.Retried {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(got.Error(), "while copying") {
		t.Errorf("the text of the wrapping is lost: %v", got)
	}
	if plain := storage.AsError(io.EOF); plain.Code != storage.CodeInternal || plain.Temporary || !errors.Is(plain, io.EOF) {
		t.Errorf("a plain error became %+v", plain)
	}
	if late := storage.AsError(context.DeadlineExceeded); late.Code != storage.CodeDeadlineExceeded || !late.Temporary {
		t.Errorf("a deadline became %+v", late)
	}
}

func TestAnnotateFillsOnlyWhatIsEmpty(t *testing.T) {
	if storage.Annotate(nil, "get", "k") != nil {
		t.Error("nil became an error")
	}
	got := storage.AsError(storage.Annotate(&storage.Error{Code: storage.CodeNotFound}, "get", "k"))
	if got.Op != "get" || got.Key != "k" {
		t.Errorf("got %+v", got)
	}
	named := &storage.Error{Op: "stat", Key: "inner", Code: storage.CodeNotFound}
	got = storage.AsError(storage.Annotate(named, "get", "k"))
	if got.Op != "stat" || got.Key != "inner" {
		t.Errorf("got %+v", got)
	}
	if named.Key = "again"; got.Key != "inner" {
		t.Error("the annotated error is the given one")
	}
}

func TestCodesTellWhatLayersNeed(t *testing.T) {
	transient := map[storage.Code]bool{storage.CodeThrottled: true, storage.CodeUnavailable: true, storage.CodeDeadlineExceeded: true}
	unhealthy := map[storage.Code]bool{storage.CodeThrottled: true, storage.CodeUnavailable: true, storage.CodeDeadlineExceeded: true, storage.CodeDataLoss: true, storage.CodeInternal: true}
	names := make(map[string]bool)
	for code := storage.CodeInternal; code <= storage.CodePermissionDenied; code++ {
		if code.Transient() != transient[code] || code.Unhealthy() != unhealthy[code] {
			t.Errorf("%s: transient %v, unhealthy %v", code.String(), code.Transient(), code.Unhealthy())
		}
		if e := storage.Errorf(code, "x"); e.Temporary != transient[code] {
			t.Errorf("Errorf(%s) is temporary: %v", code.String(), e.Temporary)
		}
		if names[code.String()] || strings.HasPrefix(code.String(), "Code(") || code.Error() == "unknown error" {
			t.Errorf("code %d is called %q, %q", code, code.String(), code.Error())
		}
		names[code.String()] = true
	}
	if got := storage.Code(200).String(); got != "Code(200)" {
		t.Errorf("an unknown code is called %q", got)
	}
}

func TestConditionCheck(t *testing.T) {
	cases := []struct {
		name    string
		cond    storage.Condition
		current string
		ok      bool
	}{
		{"none, absent", storage.Condition{}, "", true},
		{"none, present", storage.Condition{}, "v1", true},
		{"absent, absent", storage.IfAbsent(), "", true},
		{"absent, present", storage.IfAbsent(), "v1", false},
		{"exists, absent", storage.IfExists(), "", false},
		{"exists, present", storage.IfExists(), "v1", true},
		{"etag, absent", storage.IfETag("v1"), "", false},
		{"etag, the same", storage.IfETag("v1"), "v1", true},
		{"etag, another", storage.IfETag("v1"), "v2", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.cond.Check(c.current)
			if c.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, storage.CodeFailedPrecondition)
			if e := storage.AsError(err); e.Current != c.current || e.Temporary {
				t.Errorf("the error is %+v", e)
			}
		})
	}
}

func TestConditionValidate(t *testing.T) {
	for cond, ok := range map[storage.Condition]bool{
		{}: true, storage.IfAbsent(): true, storage.IfExists(): true, storage.IfETag("v1"): true,
		storage.IfETag(""): false, storage.IfETag(`"`): false, {ETag: "v1"}: false, {Kind: storage.ConditionAbsent, ETag: "v1"}: false, {Kind: 4}: false,
	} {
		t.Run(fmt.Sprint(cond), func(t *testing.T) { valid(t, cond.Validate(), ok) })
	}
	if !(storage.Condition{}).IsNone() || storage.IfAbsent().IsNone() {
		t.Error("IsNone is wrong")
	}
}
