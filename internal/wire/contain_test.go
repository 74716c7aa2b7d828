package wire

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Every function of this fake is nil: each operation panics.
func TestPanicsAreContained(t *testing.T) {
	store := open(t, &fakeStore{caps: storage.Capabilities{
		Watch: true, HealthCheck: true, Batch: true, Copy: true, Transactions: true, Consistency: storage.AllConsistencyLevels(),
	}})
	put := []storage.BatchOp{{Kind: storage.BatchPut, Key: "k"}}
	for _, test := range []struct {
		name  string
		write bool
		call  func(ctx context.Context) error
	}{
		{"get", false, func(ctx context.Context) error { _, err := store.Get(ctx, "k", storage.GetOptions{}); return err }},
		{"stat", false, func(ctx context.Context) error { _, err := store.Stat(ctx, "k", storage.StatOptions{}); return err }},
		{"list", false, func(ctx context.Context) error { _, err := store.List(ctx, storage.ListOptions{}); return err }},
		{"watch", false, func(ctx context.Context) error { _, err := store.Watch(ctx, storage.WatchOptions{}); return err }},
		{"health", false, store.CheckHealth},
		{"put", true, func(ctx context.Context) error {
			_, err := store.Put(ctx, "k", strings.NewReader("v"), storage.PutOptions{})
			return err
		}},
		{"delete", true, func(ctx context.Context) error { _, err := store.Delete(ctx, "k", storage.DeleteOptions{}); return err }},
		{"batch", true, func(ctx context.Context) error { _, err := store.Batch(ctx, put, storage.BatchOptions{}); return err }},
		{"commit", true, func(ctx context.Context) error {
			_, err := store.Commit(ctx, storage.Transaction{Ops: put})
			return err
		}},
		{"copy", true, func(ctx context.Context) error {
			_, err := store.Copy(ctx, "k", "l", storage.CopyOptions{})
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 2 { // the second call finds nothing locked
				err := test.call(t.Context())
				if !errors.Is(err, storage.ErrInternal) || !strings.Contains(err.Error(), "panicked") {
					t.Fatalf("got %v, want an Internal error about a panic", err)
				}
				if got := storage.AsError(err).OutcomeUnknown; got != test.write {
					t.Errorf("OutcomeUnknown is %v, want %v", got, test.write)
				}
			}
		})
	}
}

func TestNonsenseFromABackendIsInternal(t *testing.T) {
	store := open(t, &fakeStore{
		caps: storage.Capabilities{Watch: true, Consistency: storage.AllConsistencyLevels()},
		get: func(_ context.Context, key string, _ storage.GetOptions) (*storage.Reader, error) {
			if key == "nil" {
				return nil, nil
			}
			return storage.NewReader(storage.Object{Key: key}, 0, -1, nil), nil
		},
		watch: func(context.Context, storage.WatchOptions) (storage.EventStream, error) { return nil, nil },
	})
	for _, key := range []string{"nil", "negative"} {
		if _, err := store.Get(t.Context(), key, storage.GetOptions{}); !errors.Is(err, storage.ErrInternal) {
			t.Errorf("get %s: %v, want Internal", key, err)
		}
	}
	if _, err := store.Watch(t.Context(), storage.WatchOptions{}); !errors.Is(err, storage.ErrInternal) {
		t.Errorf("watch: %v, want Internal", err)
	}
}

// One backend that hangs must not hide the health of the others.
func TestHealthNamesTheBackendThatHangs(t *testing.T) {
	hang := make(chan struct{})
	stores := make(chan storage.Backend, 2)
	caps := storage.Capabilities{HealthCheck: true, Consistency: storage.AllConsistencyLevels()}
	stores <- &fakeStore{caps: caps, health: func(context.Context) error { return nil }}
	stores <- &fakeStore{caps: caps, health: func(context.Context) error { <-hang; return nil }}
	client, _ := connect(t, &fakePlugin{backend: func() storage.Backend { return <-stores }})
	for _, id := range []string{"good", "stuck"} {
		if _, _, err := client.Open(t.Context(), OpenRequest{ID: id, Config: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		health, err := client.Health(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if health["good"] != nil || !errors.Is(health["stuck"], storage.ErrDeadlineExceeded) || len(health) != 2 {
			t.Errorf("health is %v, want good and a stuck one", health)
		}
	}
	close(hang)
}
