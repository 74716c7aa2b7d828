package local

import (
	"context"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// openTestDisk opens a store on disk and closes it with the test.
func openTestDisk(t testing.TB, opts DiskOptions) storage.Store {
	t.Helper()
	b, err := OpenDisk(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return closedWith(t, b)
}

func openTestMemory(t testing.TB, opts MemoryOptions) storage.Store {
	t.Helper()
	return closedWith(t, OpenMemory(opts))
}

// testStore is a completed store whose inside tests can look at.
type testStore struct {
	storage.Store
	inside *store
}

func closedWith(t testing.TB, b storage.Backend) storage.Store {
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	inside, _ := b.(*store)
	return testStore{storage.Complete(b), inside}
}

func engineOf(t testing.TB, s storage.Store) engine {
	t.Helper()
	inside, ok := s.(testStore)
	if !ok {
		t.Fatalf("%T was not opened by this test", s)
	}
	return inside.inside.engine
}
