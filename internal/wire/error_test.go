package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func allCodes() []storage.Code {
	var out []storage.Code
	for c := storage.CodeInternal; c <= storage.CodePermissionDenied; c++ {
		out = append(out, c)
	}
	return out
}

func TestErrorsKeepAllFieldsOverTheWire(t *testing.T) {
	var next error
	store := open(t, &fakeStore{
		caps: storage.Capabilities{Consistency: storage.AllConsistencyLevels()},
		delete: func(context.Context, string, storage.DeleteOptions) (storage.Deleted, error) {
			return storage.Deleted{}, next
		},
	})
	for _, code := range allCodes() {
		for _, temporary := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v temporary %v", code, temporary), func(t *testing.T) {
				want := &storage.Error{
					Op: "delete", Key: "a/b", Backend: "disk", Plugin: "local", Code: code, Temporary: temporary,
					RetryAfter: 1500 * time.Millisecond, Current: "etag-1", OutcomeUnknown: !temporary, Retried: temporary,
					Err: errors.New("the cause"),
				}
				next = want
				_, err := store.Delete(t.Context(), "a/b", storage.DeleteOptions{})
				var got *storage.Error
				if !errors.As(err, &got) {
					t.Fatalf("%T is no *storage.Error: %v", err, err)
				}
				if diff := cmp.Diff(flat(want), flat(got)); diff != "" {
					t.Errorf("the error changed on its way (-sent +received):\n%s", diff)
				}
				if !errors.Is(err, code) {
					t.Errorf("errors.Is(%v, %v) is false", err, code)
				}
			})
		}
	}
}

// flat is e with the text of its cause instead of the cause.
func flat(e *storage.Error) any {
	c := *e
	text := ""
	if e.Err != nil {
		text = e.Err.Error()
	}
	return struct {
		Op, Key, Backend, Plugin, Current, Cause string
		Code                                     storage.Code
		RetryAfter                               time.Duration
		Temporary, OutcomeUnknown, Retried       bool
	}{c.Op, c.Key, c.Backend, c.Plugin, c.Current, text, c.Code, c.RetryAfter, c.Temporary, c.OutcomeUnknown, c.Retried}
}

func TestErrorsOfAnyTextAndSizeArrive(t *testing.T) {
	nasty := strings.Repeat("\xff\x00é", 100_000)
	store := open(t, &fakeStore{
		caps: storage.Capabilities{Consistency: storage.AllConsistencyLevels()},
		stat: func(context.Context, string, storage.StatOptions) (storage.Object, error) {
			return storage.Object{}, &storage.Error{
				Op: nasty, Key: nasty, Backend: nasty, Plugin: nasty, Current: nasty, Code: storage.CodeThrottled,
				RetryAfter: time.Second, Err: errors.New(nasty),
			}
		},
	})
	_, err := store.Stat(t.Context(), "k", storage.StatOptions{})
	e := storage.AsError(err)
	if e.Code != storage.CodeThrottled || e.RetryAfter != time.Second {
		t.Errorf("got %v after %v, want Throttled after 1s", e.Code, e.RetryAfter)
	}
	if e.Err == nil || len(e.Err.Error()) > maxErrorText {
		t.Error("the cause is missing or not bounded")
	}
}

func TestPlainStatuses(t *testing.T) {
	throttled, err := status.New(codes.ResourceExhausted, "slow down").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name      string
		err       error
		committed bool
		want      storage.Error
	}{
		{"retry info means throttled", throttled.Err(), false, storage.Error{Code: storage.CodeThrottled, Temporary: true, RetryAfter: 3 * time.Second}},
		{"exhausted alone is a quota", status.Error(codes.ResourceExhausted, "full"), false, storage.Error{Code: storage.CodeQuotaExceeded}},
		{"not found", status.Error(codes.NotFound, "gone"), false, storage.Error{Code: storage.CodeNotFound}},
		{"lost connection before the end", status.Error(codes.Unavailable, "reset"), false, storage.Error{Code: storage.CodeUnavailable, Temporary: true}},
		{"lost connection after the end", status.Error(codes.Unavailable, "reset"), true, storage.Error{Code: storage.CodeUnavailable, Temporary: true, OutcomeUnknown: true}},
		{"a code outside the contract", status.Error(codes.AlreadyExists, "hm"), false, storage.Error{Code: storage.CodeInternal}},
		{"a code nobody knows", status.Error(codes.Code(99), "hm"), false, storage.Error{Code: storage.CodeInternal}},
		{"the caller's cancellation", context.Canceled, true, storage.Error{Code: storage.CodeCanceled, OutcomeUnknown: true}},
		{"the caller's deadline", context.DeadlineExceeded, false, storage.Error{Code: storage.CodeDeadlineExceeded, Temporary: true}},
		{"a stream without an answer", io.EOF, true, storage.Error{Code: storage.CodeUnavailable, Temporary: true, OutcomeUnknown: true}},
		{"an error of another kind", errors.New("pipe"), false, storage.Error{Code: storage.CodeUnavailable, Temporary: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := storage.AsError(errorFromStatus(test.err, "put", "k", test.committed))
			got.Err = nil
			test.want.Op, test.want.Key = "put", "k"
			if diff := cmp.Diff(flat(&test.want), flat(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
