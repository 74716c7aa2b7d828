package wire

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestAConnectionThatClosesIsNotACallersCancellation(t *testing.T) {
	closing := status.Error(codes.Canceled, "grpc: the client connection is closing")
	ctx, cancel := context.WithCancel(t.Context())
	err := callError(ctx.Err, closing, "get", "k", false)
	if !errors.Is(err, storage.ErrUnavailable) || !storage.AsError(err).Temporary {
		t.Errorf("while the caller waits: %v", err)
	}
	cancel()
	if err := callError(ctx.Err, closing, "get", "k", false); !errors.Is(err, storage.ErrCanceled) {
		t.Errorf("after the caller gave up: %v", err)
	}
}
