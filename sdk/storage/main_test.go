package storage_test

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wantCode fails the test unless err has the code; 0 and nil go together.
func wantCode(t *testing.T, err error, code storage.Code) {
	t.Helper()
	if err == nil {
		t.Errorf("it succeeded, want %s", code.String())
		return
	}
	if got := storage.CodeOf(err); got != code || !errors.Is(err, code) {
		t.Errorf("the error is %s: %v; want %s", got.String(), err, code.String())
	}
}

// valid fails the test unless err is as asked: nil or InvalidArgument.
func valid(t *testing.T, err error, ok bool) {
	t.Helper()
	if ok && err != nil {
		t.Errorf("it was refused: %v", err)
	}
	if !ok {
		wantCode(t, err, storage.CodeInvalidArgument)
	}
}
