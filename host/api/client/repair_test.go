package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/api"
	"github.com/p2p-ai-agents/stowage/host/api/client"
	"github.com/p2p-ai-agents/stowage/host/api/internal/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// mender is a host that is repaired by a function.
type mender struct {
	host
	repair func(ctx context.Context, policy string, opts api.RepairOptions, progress func(any)) (any, error)
}

func (m *mender) Repair(ctx context.Context, policy string, opts api.RepairOptions, progress func(any)) (any, error) {
	return m.repair(ctx, policy, opts, progress)
}

func openMender(t *testing.T, repair func(ctx context.Context, policy string, opts api.RepairOptions, progress func(any)) (any, error)) *client.Client {
	t.Helper()
	return connect(t, serveHost(t, &mender{host{store: storage.Complete(new(memory.Backend))}, repair}, api.Options{}), client.Options{})
}

func TestARepairGoesThroughTheClient(t *testing.T) {
	c := openMender(t, func(_ context.Context, policy string, opts api.RepairOptions, progress func(any)) (any, error) {
		if policy != "safe" || opts != (api.RepairOptions{DryRun: true, Verify: true, Restart: true, Rate: -1}) {
			t.Errorf("%q is repaired with %+v", policy, opts)
		}
		progress(1)
		progress(2)
		return 3, nil
	})
	var seen []string
	report, err := c.Repair(t.Context(), "safe", client.RepairOptions{
		DryRun: true, Verify: true, Restart: true, Rate: -1,
		Progress: func(report json.RawMessage) { seen = append(seen, string(report)) },
	})
	if string(report) != "3" || err != nil || !slices.Equal(seen, []string{"1", "2"}) {
		t.Errorf("%s, %v after %q", report, err, seen)
	}
}

func TestARepairThatFailedComesWithItsReport(t *testing.T) {
	c := openMender(t, func(_ context.Context, policy string, _ api.RepairOptions, progress func(any)) (any, error) {
		if policy != "safe" {
			return nil, storage.Errorf(storage.CodeNotFound, "there is no policy %q", policy)
		}
		progress(1)
		return 2, storage.Errorf(storage.CodeUnavailable, "a child is down")
	})
	report, err := c.Repair(t.Context(), "safe", client.RepairOptions{})
	if string(report) != "2" || !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "a child is down") {
		t.Errorf("%s, %v", report, err)
	}
	if _, err := c.Repair(t.Context(), "other one", client.RepairOptions{}); !errors.Is(err, storage.ErrNotFound) || !strings.Contains(err.Error(), `"other one"`) {
		t.Error(err)
	}
}

func TestARepairEndsWithItsContext(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	c := openMender(t, func(ctx context.Context, _ string, _ api.RepairOptions, progress func(any)) (any, error) {
		progress(1)
		close(began)
		<-ctx.Done()
		close(ended)
		return 1, ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		<-began
		cancel()
	}()
	if _, err := c.Repair(ctx, "safe", client.RepairOptions{}); !errors.Is(err, storage.ErrCanceled) {
		t.Error(err)
	}
	<-ended
}
