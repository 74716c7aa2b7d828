package supabase

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// The first attempt of a conditional write hangs, the second is refused. Before
// the writer can make sure that the first does nothing more, it is carried out.
func TestAWriteThatCannotMakeSureSaysSo(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	c := config(project)
	c.Timeout, c.MaxRetries = 500*time.Millisecond, 2
	b, other := openWith(t, c, ""), openWith(t, config(project), "")
	late := project.Inject(supabasetest.Fault{Kind: supabasetest.Late, Match: "/rpc/stowage_put"})
	register := project.Inject(supabasetest.Fault{Kind: supabasetest.Stall, Match: "/rpc/stowage_register"})
	failed := make(chan error, 1)
	go func() {
		_, err := b.Put(t.Context(), "k", strings.NewReader("late"), storage.PutOptions{If: storage.IfExists()})
		failed <- err
	}()
	if err := register.WaitHit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	put(t, other, "k", "other", storage.PutOptions{})
	busy := supabasetest.TooManyRequests("/rpc/stowage_put", 0)
	busy.Times = -1
	refusing := project.Inject(busy)
	late.Release()
	if err := late.WaitDone(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	register.Release()
	if e := storage.AsError(<-failed); e == nil || !e.OutcomeUnknown {
		t.Errorf("got %v, unknown: %v", e, e != nil && e.OutcomeUnknown)
	}
	refusing.Remove()
	if got := get(t, other, "k"); got != "late" {
		t.Errorf("the test did not do what it should: %q", got)
	}
}

func TestWritersUnderOneIdEndEachOthersEpochsAndLoseNothing(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	state := t.TempDir()
	backends := []*backend{openWith(t, config(project), state), openWith(t, config(project), state)}
	failed := make(chan error)
	for i := range 8 {
		go func() {
			var err error
			for n := 0; n < 20 && err == nil; n++ {
				_, err = backends[i%2].Put(t.Context(), fmt.Sprint("k", i), strings.NewReader(fmt.Sprint(n)), storage.PutOptions{})
			}
			failed <- err
		}()
	}
	for range 8 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	for i := range 8 {
		if got := get(t, backends[0], fmt.Sprint("k", i)); got != "19" {
			t.Errorf("key %d has %q", i, got)
		}
	}
}

func TestAWriterThatWasSweptBeginsAnew(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b, other := openWith(t, config(project), ""), openWith(t, config(project), "")
	old := b.writer.current()
	exec(t, project, `update public.stowage_writers set seen_at = now() - interval '91 days'`)
	other.sweep(t.Context(), false) // keeps its own
	var ids int
	if query(t, project, &ids, `select count(*) from public.stowage_writers`); ids != 1 {
		t.Fatalf("%d writers are known", ids)
	}
	put(t, b, "k", "v", storage.PutOptions{})
	if now := b.writer.current(); now <= old {
		t.Errorf("epoch %d comes after %d", now, old)
	}
}

func TestTooManyDoubtsAreOneAboutEverything(t *testing.T) {
	w := &writer{doubtful: make(map[string]bool), epoch: 7}
	for i := range maxDoubtful + 1 {
		w.doubt(7, []string{fmt.Sprint(i)})
	}
	if !w.all || len(w.doubtful) > maxDoubtful {
		t.Errorf("%d keys, all: %v", len(w.doubtful), w.all)
	}
	w = &writer{doubtful: make(map[string]bool), epoch: 8}
	if w.doubt(7, []string{"k"}); len(w.doubtful) > 0 {
		t.Error("a request of an epoch that is over is feared")
	}
}

func TestTheWritersIdIsKept(t *testing.T) {
	dir := t.TempDir()
	first, err := writerID(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := writerID(dir); err != nil || again != first {
		t.Errorf("%v after %v, %v", again, first, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "writer"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := writerID(dir); err == nil || !strings.Contains(err.Error(), "remove the file") {
		t.Errorf("got %v", err)
	}
	if _, err := writerID("/nowhere"); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	project := newProject(t, "large", supabasetest.ProjectOptions{})
	b := openWith(t, withBucket(config(project), "large"), "")
	put(t, b, "large", random(1, 2<<20), storage.PutOptions{})
	reader, err := b.Get(t.Context(), "large", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	stream, err := b.Watch(t.Context(), storage.WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stall := project.Inject(supabasetest.Fault{Kind: supabasetest.Stall, Match: "/rpc/stowage_", Times: -1})
	defer stall.Release()
	const reads = 2 * 2 * minLanes // some wait for a lane
	failed := make(chan error, reads+2)
	for i := range reads {
		go func() {
			_, err := b.Stat(t.Context(), fmt.Sprint(i), storage.StatOptions{})
			failed <- err
		}()
	}
	go func() {
		_, err := b.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
		failed <- err
	}()
	go func() {
		_, err := stream.Next(t.Context())
		failed <- err
	}()
	if err := stall.WaitHit(t.Context(), 2*minLanes+2); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	unknown := 0
	for range reads + 2 {
		e := storage.AsError(<-failed)
		if e == nil || e.Code != storage.CodeUnavailable {
			t.Errorf("an operation under way: %v", e)
		} else if e.OutcomeUnknown {
			unknown++
		}
	}
	if unknown != 1 {
		t.Errorf("%d outcomes are unknown, expected that of the put", unknown)
	}
	if _, err := reader.Bytes(); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a reader that was open: %v", err)
	}
	if _, err := b.Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("afterwards: %v", err)
	}
	if err := b.CheckHealth(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("its health: %v", err)
	}
}

func TestACallerThatLeavesTakesNobodyAlong(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	put(t, b, "k", "v", storage.PutOptions{})
	stall := project.Inject(supabasetest.Fault{Kind: supabasetest.Stall, Match: "/rpc/stowage_get", Times: 2 * minLanes})
	failed := make(chan error, 2*minLanes)
	for range 2 * minLanes {
		go func() {
			_, err := b.Stat(t.Context(), "k", storage.StatOptions{})
			failed <- err
		}()
	}
	if err := stall.WaitHit(t.Context(), 2*minLanes); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := b.Stat(ctx, "k", storage.StatOptions{})
		left <- err
	}()
	leave()
	if err := <-left; !errors.Is(err, storage.ErrCanceled) {
		t.Errorf("the one who left: %v", err)
	}
	if _, err := b.Stat(t.Context(), "k", storage.StatOptions{}); err != nil {
		t.Errorf("one who stayed: %v", err)
	}
	stall.Release()
	for range 2 * minLanes {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

func TestOneReadThatIsWrongFailsAlone(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	const large = 26
	for i := range large {
		put(t, b, fmt.Sprint(i), strings.Repeat("x", 1<<20), storage.PutOptions{})
	}
	items := []readItem{{Key: "0", Value: true, Offset: 1 << 40}}
	for i := range large {
		items = append(items, readItem{Key: fmt.Sprint(i), Value: true})
	}
	results, err := b.readMany(t.Context(), items, readRoom)
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(results[0].err(), storage.ErrOutOfRange) {
		t.Errorf("a range beyond the end: %v", results[0].err())
	}
	now := 0
	for _, r := range results[1:] {
		if !r.Later {
			now++
		}
	}
	if now != 1 {
		t.Errorf("%d values came where there was room for one", now)
	}

	broken := newCoalescer(newGate(), func(_ context.Context, items []readItem) ([]readResult, error) {
		for _, item := range items {
			if item.Key == "bad" {
				return nil, storage.Errorf(storage.CodeInternal, "this one cannot be read")
			}
		}
		return make([]readResult, len(items)), nil
	})
	var together []*pendingRead
	for _, key := range []string{"good", "bad", "good too"} {
		together = append(together, &pendingRead{ctx: t.Context(), item: readItem{Key: key}, done: make(chan struct{})})
	}
	broken.make(t.Context(), together)
	for _, p := range together {
		<-p.done
		if bad := p.item.Key == "bad"; bad != (p.err != nil) {
			t.Errorf("%s: %v", p.item.Key, p.err)
		}
	}
	if err := broken.gate.close(t.Context()); err != nil {
		t.Error(err)
	}
}
