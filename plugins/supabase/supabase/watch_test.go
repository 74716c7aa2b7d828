package supabase

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func watch(t testing.TB, b *backend, opts storage.WatchOptions) storage.EventStream {
	t.Helper()
	s, err := b.Watch(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func next(t testing.TB, s storage.EventStream) storage.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAWatcherSeesEveryWriteOfAKeyInTheOrderOfTheCommits(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	s := watch(t, b, storage.WatchOptions{})
	const writers, each = 8, 30
	var work sync.WaitGroup
	for range writers {
		work.Go(func() {
			for i := range each { // few keys, so that many writes meet
				if _, err := b.Put(t.Context(), fmt.Sprint(i%3), strings.NewReader("v"), storage.PutOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	last := make(map[string]int)
	for range writers * each {
		e := next(t, s)
		var version int
		if _, err := fmt.Sscan(e.ETag, &version); err != nil || e.Kind != storage.EventPut {
			t.Fatalf("%+v, %v", e, err)
		}
		if version <= last[e.Key] {
			t.Errorf("key %s has version %d after %d", e.Key, version, last[e.Key])
		}
		last[e.Key] = version
	}
	work.Wait()
	for key, version := range last {
		if o, err := b.Stat(t.Context(), key, storage.StatOptions{}); err != nil || o.ETag != fmt.Sprint(version) {
			t.Errorf("the last event of %s has version %d, the key has %s, %v", key, version, o.ETag, err)
		}
	}
}

func TestAWriteThatCommitsLateIsNotMissed(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	s := watch(t, b, storage.WatchOptions{})
	conn, err := pgx.Connect(t.Context(), project.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := b.writer.epochFor(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select public.stowage_put('default', 'slow', gen_random_uuid(), $1, $2, 1, 0, 'dg==')`, b.writer.id, epoch); err != nil {
		t.Fatal(err)
	}
	put(t, b, "quick", "v", storage.PutOptions{}) // has the later id, and commits first
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if e, err := s.Next(ctx); err == nil {
		t.Fatalf("an event that is not final: %+v", e)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first, second := next(t, s), next(t, s); first.Key != "slow" || second.Key != "quick" {
		t.Errorf("got %q and %q", first.Key, second.Key)
	}
}

func TestExpiredObjectsAreDeletedForWatchers(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	s := watch(t, b, storage.WatchOptions{Prefix: "k"})
	put(t, b, "k", "v", storage.PutOptions{TTL: 100 * time.Millisecond})
	if e := next(t, s); e.Kind != storage.EventPut {
		t.Errorf("%+v", e)
	}
	for rows := 1; rows > 0; { // until it has expired and was swept
		b.sweep(t.Context(), false)
		query(t, project, &rows, `select count(*) from public.stowage`)
	}
	if e := next(t, s); e.Kind != storage.EventDelete || e.Key != "k" || e.ETag != "" {
		t.Errorf("%+v", e)
	}
}

func TestAWatcherThatWasAwayTooLongIsToldSo(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	s := watch(t, b, storage.WatchOptions{})
	put(t, b, "k", "1", storage.PutOptions{})
	first := next(t, s)
	put(t, b, "k", "2", storage.PutOptions{})
	exec(t, project, `update public.stowage_log set at = at - interval '2 hours'`)
	b.sweep(t.Context(), false)
	if n := changesOf(t, project, "k"); n != 0 {
		t.Fatalf("%d changes are still in the log", n)
	}
	resumed := watch(t, b, storage.WatchOptions{Cursor: first.Cursor})
	if e := next(t, resumed); e.Kind != storage.EventGap {
		t.Errorf("%+v", e)
	}
	three := put(t, b, "k", "3", storage.PutOptions{})
	if e := next(t, resumed); e.Kind != storage.EventPut || e.ETag != three.Object.ETag {
		t.Errorf("after the gap: %+v", e)
	}
	// A cursor of a database that was restored to an earlier time.
	later := watch(t, b, storage.WatchOptions{Cursor: position{xid: 1 << 40, seq: 1}.cursor()})
	if e := next(t, later); e.Kind != storage.EventGap {
		t.Errorf("%+v", e)
	}
}

func TestWatchingGoesOnAfterARestoreFromAnotherCluster(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	exec(t, project, `insert into public.stowage_trimmed values ('default', '99999999', 1)`,
		`insert into public.stowage_log (namespace, xid, seq, at, key) values ('default', '99999998', 1, now(), 'old')`)
	s := watch(t, b, storage.WatchOptions{})
	put(t, b, "k", "v", storage.PutOptions{})
	if e := next(t, s); e.Kind != storage.EventPut || e.Key != "k" {
		t.Errorf("%+v", e)
	}
	b.sweep(t.Context(), false)
	var rows int
	if query(t, project, &rows, `select (select count(*) from public.stowage_trimmed) + (select count(*) from public.stowage_log where key = 'old')`); rows != 0 {
		t.Errorf("%d rows of the other cluster are left", rows)
	}
}

func TestAnOutageDoesNotEndAWatch(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	c := config(project)
	c.MaxRetries = 0
	b := openWith(t, c, "")
	s := watch(t, b, storage.WatchOptions{})
	outage := project.Inject(supabasetest.Fault{Kind: supabasetest.CutBefore, Match: "/rpc/stowage_changes", Times: 3})
	put(t, b, "k", "v", storage.PutOptions{})
	if e := next(t, s); e.Key != "k" || outage.Hits() == 0 {
		t.Errorf("after %d faults %+v", outage.Hits(), e)
	}
	project.Inject(supabasetest.RevokedKey("/rpc/stowage_changes"))
	if _, err := s.Next(t.Context()); !errors.Is(err, storage.ErrUnauthenticated) {
		t.Errorf("a key that is refused: %v", err)
	}
	if strings.Contains(fmt.Sprint(s.Cursor()), " ") || s.Cursor() == "" {
		t.Errorf("the cursor is %q", s.Cursor())
	}
}
