package storage_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// hasty commits after the bytes it was told to expect, without waiting for the
// end of the body.
type hasty struct{ storage.Backend }

func (hasty) Capabilities() storage.Capabilities { return storage.Capabilities{} }

func (hasty) Put(_ context.Context, _ string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	_, err := io.ReadFull(body, make([]byte, opts.SizeHint))
	return storage.PutResult{}, err
}

func TestACommitBeforeTheEndOfTheBodyIsNoSuccess(t *testing.T) {
	_, err := storage.Complete(hasty{}).Put(t.Context(), "k", strings.NewReader("value"), storage.PutOptions{SizeHint: 5})
	var e *storage.Error
	if !errors.As(err, &e) || e.Code != storage.CodeInternal || !e.OutcomeUnknown {
		t.Errorf("a put that was not read to its end gave %v", err)
	}
}
