package routing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestConditionalWritesNeverFailOver(t *testing.T) {
	l := newLadder(t)
	o := l.put("k", "old")
	l.down(0)
	conditional := map[string]func() error{
		"put absent": func() error {
			_, err := l.store.Put(t.Context(), "new", strings.NewReader("v"), storage.PutOptions{If: storage.IfAbsent()})
			return err
		},
		"put etag": func() error {
			_, err := l.store.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{If: storage.IfETag(o.ETag)})
			return err
		},
		"delete": func() error {
			_, err := l.store.Delete(t.Context(), "k", storage.DeleteOptions{If: storage.IfExists()})
			return err
		},
		"copy": func() error {
			_, err := l.store.Copy(t.Context(), "k", "new", storage.CopyOptions{If: storage.IfAbsent()})
			return err
		},
		"atomic batch": func() error {
			_, err := l.store.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchPut, Key: "new"}}, storage.BatchOptions{Atomic: true})
			return err
		},
		"transaction": func() error {
			_, err := l.store.Commit(t.Context(), storage.Transaction{Ops: []storage.BatchOp{{Kind: storage.BatchPut, Key: "new"}}})
			return err
		},
		"in a batch": func() error {
			r, err := l.store.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchPut, Key: "new", Put: storage.PutOptions{If: storage.IfAbsent()}}}, storage.BatchOptions{})
			if err != nil {
				return err
			}
			return r[0].Err
		},
	}
	for name, run := range conditional {
		t.Run(name, func(t *testing.T) {
			err := run()
			if wantCode(t, err, storage.CodeUnavailable); name != "copy" && !strings.Contains(err.Error(), "never fail over") {
				t.Errorf("the error does not give the reason: %v", err)
			}
			l.holds(1, "new", "")
		})
	}
	l.put("k", "missed") // now the primary would decide by an older version
	if err := conditional["put etag"](); !strings.Contains(err.Error(), "missed a write to the key") {
		t.Errorf("the error does not give the reason: %v", err)
	}
}

func TestConditionalWritesAreDecidedByWhatWasMissed(t *testing.T) {
	l := newLadder(t)
	old := l.put("k", "old")
	l.down(0)
	missed := l.put("k", "missed")
	l.down(1)
	l.up(0)
	_, err := l.store.Put(t.Context(), "k", strings.NewReader("x"), storage.PutOptions{If: storage.IfETag(old.ETag)})
	wantCode(t, err, storage.CodeUnavailable) // who has the newest is away
	l.up(1)
	_, err = l.store.Put(t.Context(), "k", strings.NewReader("x"), storage.PutOptions{If: storage.IfETag(old.ETag)})
	if e := wantCode(t, err, storage.CodeFailedPrecondition); e.Current != missed.ETag {
		t.Errorf("the current etag is %q, want %q", e.Current, missed.ETag)
	}
	l.holds(0, "k", "missed")
	l.owed(0, 0, 0)
	if _, err = l.store.Put(t.Context(), "k", strings.NewReader("mine"), storage.PutOptions{If: storage.IfETag(missed.ETag)}); err != nil {
		t.Errorf("on the condition of the version that another child took: %v", err)
	}
	l.reads("k", "mine")
}

func TestAReplayedObjectIsTheSame(t *testing.T) {
	l := newLadder(t)
	l.down(0)
	res, err := l.store.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{
		ContentType: "text/x", Metadata: map[string]string{"a": "b"}, TTL: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	l.up(0)
	l.replayed()
	l.holds(0, "k", "v")
	l.down(1)
	p := layer.Reserved()(l.store)
	o, err := p.Stat(t.Context(), "k", storage.StatOptions{IfMatch: res.Object.ETag})
	if err != nil {
		t.Fatal(err)
	}
	if o.ETag != res.Object.ETag || !o.ModTime.Equal(res.Object.ModTime) || o.ContentType != "text/x" || len(o.Metadata) != 1 || o.Metadata["a"] != "b" {
		t.Errorf("it was %+v, and is %+v", res.Object, o)
	}
	if late := o.ExpiresAt.Sub(res.Object.ExpiresAt); late.Abs() > time.Minute {
		t.Errorf("it expires %v later", late)
	}
	next := l.put("k", "v2")
	copied, err := l.store.Copy(t.Context(), "k", "k2", storage.CopyOptions{})
	if err != nil || next.ETag == o.ETag || copied.Object.ETag == next.ETag {
		t.Errorf("etags %q, then %q, and %q of the copy (%v)", o.ETag, next.ETag, copied.Object.ETag, err)
	}
}

// A copy of a replayed object within the primary would have the etag of another
// version.
func TestACopyOfAReplayedObjectIsAVersionOfItsOwn(t *testing.T) {
	l := newLadder(t)
	l.down(0)
	src := l.put("src", "v")
	l.up(0)
	l.replayed()
	l.put("dst", "x")
	first, err := l.store.Copy(t.Context(), "src", "dst", storage.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.put("dst", "x")
	second, err := l.store.Copy(t.Context(), "src", "dst", storage.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if etags := []string{src.ETag, first.Object.ETag, second.Object.ETag}; len(slices.Compact(slices.Sorted(slices.Values(etags)))) != 3 {
		t.Errorf("two versions share an etag: %q", etags)
	}
}
