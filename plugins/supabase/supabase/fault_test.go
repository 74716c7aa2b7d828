package supabase

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// changesOf counts what the log has of a key: how often it was changed.
func changesOf(t testing.TB, p *supabasetest.Project, key string) int {
	t.Helper()
	var n int
	query(t, p, &n, `select count(*) from public.stowage_log where key = $1`, key)
	return n
}

func query(t testing.TB, p *supabasetest.Project, into any, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(into); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestAWriteWhoseAnswerIsLostIsDoneOnceAndToldTruly(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	lost := supabasetest.Fault{Kind: supabasetest.AnswerLost, Match: "/rpc/stowage_", Times: 2}
	check := func(t *testing.T, key, want string, changes int) {
		t.Helper()
		if want == "" {
			if _, err := b.Stat(t.Context(), key, storage.StatOptions{}); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("stat: %v", err)
			}
		} else if got := get(t, b, key); got != want {
			t.Errorf("the value is %q, expected %q", got, want)
		}
		if got := changesOf(t, project, key); got != changes {
			t.Errorf("the key was changed %d times, expected %d", got, changes)
		}
	}
	for name, opts := range map[string]storage.PutOptions{
		"put": {}, "put if absent": {If: storage.IfAbsent()},
	} {
		t.Run(name, func(t *testing.T) {
			i := project.Inject(lost)
			res := put(t, b, name, "v", opts)
			if res.Created != storage.Yes || i.Hits() != 2 {
				t.Errorf("created %v after %d lost answers", res.Created, i.Hits())
			}
			check(t, name, "v", 1)
		})
	}
	t.Run("put if etag", func(t *testing.T) {
		first := put(t, b, "cas", "1", storage.PutOptions{})
		project.Inject(lost)
		res := put(t, b, "cas", "2", storage.PutOptions{If: storage.IfETag(first.Object.ETag)})
		if res.Created != storage.No {
			t.Errorf("created: %v", res.Created)
		}
		if now, err := b.Stat(t.Context(), "cas", storage.StatOptions{}); err != nil || now.ETag != res.Object.ETag {
			t.Errorf("the put was told the etag %s, the key has %s (%v)", res.Object.ETag, now.ETag, err)
		}
		check(t, "cas", "2", 2)
	})
	t.Run("put whose condition fails", func(t *testing.T) {
		first := put(t, b, "refused", "1", storage.PutOptions{})
		project.Inject(lost)
		_, err := b.Put(t.Context(), "refused", strings.NewReader("2"), storage.PutOptions{If: storage.IfAbsent()})
		if e := storage.AsError(err); e == nil || e.Code != storage.CodeFailedPrecondition || e.Current != first.Object.ETag || e.OutcomeUnknown {
			t.Errorf("got %v", err)
		}
		check(t, "refused", "1", 1)
	})
	for name, opts := range map[string]storage.DeleteOptions{"delete": {}, "delete if exists": {If: storage.IfExists()}} {
		t.Run(name, func(t *testing.T) {
			put(t, b, name, "v", storage.PutOptions{})
			project.Inject(lost)
			if res, err := b.Delete(t.Context(), name, opts); err != nil || res.Existed != storage.Yes {
				t.Errorf("existed %v, %v", res.Existed, err)
			}
			check(t, name, "", 2)
		})
	}
	t.Run("atomic batch", func(t *testing.T) {
		project.Inject(lost)
		results, err := b.Batch(t.Context(), []storage.BatchOp{
			{Kind: storage.BatchPut, Key: "batch", Value: []byte("1"), Put: storage.PutOptions{If: storage.IfAbsent()}},
			{Kind: storage.BatchGet, Key: "batch"},
			{Kind: storage.BatchPut, Key: "batch", Value: []byte("2"), Put: storage.PutOptions{If: storage.IfExists()}},
		}, storage.BatchOptions{Atomic: true})
		if err != nil || results[0].Err != nil || results[0].Created != storage.Yes || string(results[1].Value) != "1" || results[2].Created != storage.No {
			t.Errorf("got %+v, %v", results, err)
		}
		check(t, "batch", "2", 2)
	})
}

func TestAWriteLeftWithoutAnswerIsUnknownAndTheNextOneWins(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	for name, write := range map[string]func(ctx context.Context, b *backend) error{
		"put": func(ctx context.Context, b *backend) error {
			_, err := b.Put(ctx, "put", strings.NewReader("late"), storage.PutOptions{})
			return err
		},
		"delete": func(ctx context.Context, b *backend) error {
			_, err := b.Delete(ctx, "delete", storage.DeleteOptions{})
			return err
		},
		"batch": func(ctx context.Context, b *backend) error {
			_, err := b.Batch(ctx, []storage.BatchOp{{Kind: storage.BatchPut, Key: "batch", Value: []byte("late")}}, storage.BatchOptions{})
			return err
		},
	} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %v", name, killed), func(t *testing.T) {
				state := t.TempDir()
				b := openWith(t, config(project), state)
				put(t, b, name, "old", storage.PutOptions{})
				late := project.Inject(supabasetest.Fault{Kind: supabasetest.Late, Match: "/rpc/stowage_" + name})

				ctx, giveUp := context.WithCancel(t.Context())
				failed := make(chan error, 1)
				go func() { failed <- write(ctx, b) }()
				if err := late.WaitHit(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				giveUp()
				if e := storage.AsError(<-failed); e.Code != storage.CodeCanceled || !e.OutcomeUnknown {
					t.Errorf("the write that was given up: %v", e)
				}
				if killed { // what its successor knows is what is in the directory
					b = openWith(t, config(project), state)
				}
				put(t, b, name, "new", storage.PutOptions{})
				late.Release()
				if err := late.WaitDone(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				if got := get(t, b, name); got != "new" {
					t.Errorf("a request that was given up landed over a later write: %q", got)
				}
			})
		}
	}
}

func TestAnAttemptWithoutAnswerDoesNothingAfterTheWriteWasRefused(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	c := config(project)
	c.Timeout = 300 * time.Millisecond
	b, other := openWith(t, c, ""), openWith(t, config(project), "")
	for name, test := range map[string]struct {
		write   func() error
		refused func(err error) bool
		turn    func(t *testing.T) // makes the condition hold
	}{
		"put": {
			write: func() error {
				_, err := b.Put(t.Context(), "put", strings.NewReader("late"), storage.PutOptions{If: storage.IfExists()})
				return err
			},
			refused: func(err error) bool { return errors.Is(err, storage.ErrFailedPrecondition) },
			turn:    func(t *testing.T) { put(t, other, "put", "other", storage.PutOptions{}) },
		},
		"delete": {
			write: func() error {
				res, err := b.Delete(t.Context(), "delete", storage.DeleteOptions{})
				if err == nil && res.Existed != storage.No {
					err = fmt.Errorf("existed: %v", res.Existed)
				}
				return err
			},
			refused: func(err error) bool { return err == nil },
			turn:    func(t *testing.T) { put(t, other, "delete", "other", storage.PutOptions{}) },
		},
		"batch": {
			write: func() error {
				res, err := b.Batch(t.Context(), []storage.BatchOp{
					{Kind: storage.BatchPut, Key: "batch", Value: []byte("late"), Put: storage.PutOptions{If: storage.IfExists()}},
				}, storage.BatchOptions{Atomic: true})
				if err == nil {
					err = res[0].Err
				}
				return err
			},
			refused: func(err error) bool { return errors.Is(err, storage.ErrFailedPrecondition) },
			turn:    func(t *testing.T) { put(t, other, "batch", "other", storage.PutOptions{}) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			late := project.Inject(supabasetest.Fault{Kind: supabasetest.Late, Match: "/rpc/stowage_" + name})
			if err := test.write(); !test.refused(err) {
				t.Fatalf("the second attempt: %v", err)
			}
			if late.Hits() != 1 {
				t.Fatalf("%d attempts are on their way", late.Hits())
			}
			test.turn(t)
			late.Release()
			if err := late.WaitDone(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if got := get(t, b, name); got != "other" {
				t.Errorf("the first attempt was carried out after all: %q", got)
			}
		})
	}
}

func TestAWriteThatTimesOutEveryTimeIsUnknown(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	c := config(project)
	c.Timeout, c.MaxRetries = 200*time.Millisecond, 1
	b := openWith(t, c, "")
	stall := project.Inject(supabasetest.Fault{Kind: supabasetest.Stall, Match: "/rpc/stowage_put", Times: 2})
	defer stall.Release()
	_, err := b.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
	if e := storage.AsError(err); e == nil || e.Code != storage.CodeUnavailable || !e.OutcomeUnknown {
		t.Errorf("got %v", err)
	}
	put(t, b, "k", "next", storage.PutOptions{})
	if got := get(t, b, "k"); got != "next" {
		t.Errorf("got %q", got)
	}
}

// answer is what a project says when it cannot carry a request out, and what is
// to become of it.
type answer struct {
	name    string
	fault   func(match string) supabasetest.Fault
	retried bool
	code    storage.Code // where it lasts
	unknown bool         // a put may have happened
}

var answers = []answer{
	{"429 with Retry-After", func(m string) supabasetest.Fault { return supabasetest.TooManyRequests(m, time.Second) }, true, storage.CodeThrottled, false},
	{"503 with Retry-After", func(m string) supabasetest.Fault { return supabasetest.ServiceUnavailable(m, time.Second) }, true, storage.CodeUnavailable, true},
	{"serialization failure", supabasetest.SerializationFailure, true, storage.CodeUnavailable, false},
	{"deadlock", supabasetest.Deadlock, true, storage.CodeUnavailable, false},
	{"no free connection", supabasetest.PoolTimeout, true, storage.CodeUnavailable, false},
	{"schema unread", supabasetest.SchemaUnread, true, storage.CodeUnavailable, true},
	{"544", supabasetest.StorageTimeout, true, storage.CodeUnavailable, true},
	{"connection reset", func(m string) supabasetest.Fault {
		return supabasetest.Fault{Kind: supabasetest.CutBefore, Match: m}
	}, true, storage.CodeUnavailable, true},
	{"answer cut", func(m string) supabasetest.Fault {
		return supabasetest.Fault{Kind: supabasetest.CutAnswer, Match: m, Bytes: 10}
	}, true, storage.CodeUnavailable, true},
	{"statement timeout", supabasetest.StatementTimeout, false, storage.CodeDeadlineExceeded, false},
	{"expired key", supabasetest.ExpiredKey, false, storage.CodeUnauthenticated, false},
	{"wrong key", supabasetest.RevokedKey, false, storage.CodeUnauthenticated, false},
}

func TestWhatTheProjectRefusesForAWhileIsDoneAfterwards(t *testing.T) {
	t.Parallel()
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	for _, a := range answers {
		t.Run(a.name, func(t *testing.T) {
			put(t, b, a.name, "old", storage.PutOptions{})
			began := time.Now()
			write := project.Inject(a.fault("/rpc/stowage_put"))
			_, err := b.Put(t.Context(), a.name, strings.NewReader("new"), storage.PutOptions{})
			a.judge(t, err)
			if a.retried && strings.Contains(a.name, "Retry-After") && time.Since(began) < time.Second {
				t.Error("it did not wait as long as it was asked to")
			}
			want, changes := "old", 1
			if a.retried {
				want, changes = "new", 2
			}
			read := project.Inject(a.fault("/rpc/stowage_get"))
			r, err := b.Get(t.Context(), a.name, storage.GetOptions{})
			a.judge(t, err)
			if err == nil {
				_ = r.Close()
			}
			if write.Hits() != 1 || read.Hits() != 1 {
				t.Errorf("the faults took %d and %d requests", write.Hits(), read.Hits())
			}
			if got := get(t, b, a.name); got != want { // by itself again
				t.Errorf("got %q, expected %q", got, want)
			}
			if got := changesOf(t, project, a.name); got != changes {
				t.Errorf("the key was changed %d times, expected %d", got, changes)
			}
		})
	}
}

// judge looks at the outcome of an operation that met the fault once.
func (a *answer) judge(t *testing.T, err error) {
	t.Helper()
	switch e := storage.AsError(err); {
	case a.retried && err != nil:
		t.Errorf("it was not retried: %v", err)
	case !a.retried && (err == nil || e.Code != a.code || e.OutcomeUnknown):
		t.Errorf("expected %v; got %v", a.code, err)
	}
}

func TestWhatTheProjectRefusesForGoodHasTheRightCode(t *testing.T) {
	t.Parallel()
	project := newProject(t, "", supabasetest.ProjectOptions{})
	c := config(project)
	c.MaxRetries = 1
	b := openWith(t, c, "")
	for _, a := range answers {
		t.Run(a.name, func(t *testing.T) {
			fault := a.fault("/rpc/stowage_put")
			fault.Times = -1
			injection := project.Inject(fault)
			defer injection.Remove()
			_, err := b.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
			e := storage.AsError(err)
			if e == nil || e.Code != a.code || e.OutcomeUnknown != a.unknown || e.Temporary != a.retried || e.Retried != a.retried {
				t.Errorf("expected %v, unknown %v, temporary and retried %v; got %+v", a.code, a.unknown, a.retried, e)
			}
			if strings.Contains(fmt.Sprint(err), project.SecretKey) {
				t.Errorf("the key is in the error: %v", err)
			}
		})
	}
}

func TestABatchThatReadsHasNoOutcomeToDoubt(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	c := config(project)
	c.MaxRetries = 0
	b := openWith(t, c, "")
	put(t, b, "k", "v", storage.PutOptions{})
	project.Inject(supabasetest.Fault{Kind: supabasetest.AnswerLost, Match: "/rpc/stowage_"})
	_, err := b.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchGet, Key: "k"}, {Kind: storage.BatchStat, Key: "k"}}, storage.BatchOptions{Atomic: true})
	if e := storage.AsError(err); e == nil || e.Code != storage.CodeUnavailable || e.OutcomeUnknown {
		t.Errorf("got %v", err)
	}
	results, err := b.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchGet, Key: "k"}, {Kind: storage.BatchStat, Key: "none"}}, storage.BatchOptions{Atomic: true})
	if err != nil || !errors.Is(results[0].Err, storage.ErrAborted) || !errors.Is(results[1].Err, storage.ErrNotFound) {
		t.Errorf("got %+v, %v", results, err)
	}
}

func TestTheLogKeepsNoLargeValueThatABatchRead(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	put(t, b, "large", strings.Repeat("v", 1<<20), storage.PutOptions{})
	ops := []storage.BatchOp{{Kind: storage.BatchGet, Key: "large"}, {Kind: storage.BatchPut, Key: "n", Value: []byte("1")}}
	if results, err := b.Batch(t.Context(), ops, storage.BatchOptions{}); err != nil || len(results[0].Value) != 1<<20 {
		t.Errorf("got %+v, %v", results, err)
	}
	var bytes int
	if query(t, project, &bytes, `select max(length(result::text)) from public.stowage_log`); bytes > 10_000 {
		t.Errorf("the log has %d bytes of one request", bytes)
	}
	project.Inject(supabasetest.Fault{Kind: supabasetest.AnswerLost, Match: "/rpc/stowage_batch"})
	results, err := b.Batch(t.Context(), ops, storage.BatchOptions{})
	if err != nil || !errors.Is(results[0].Err, storage.ErrUnavailable) || results[1].Err != nil {
		t.Errorf("after a lost answer: %+v, %v", results, err)
	}
}

func TestARetryAfterBeyondTheDeadlineIsNotWaitedFor(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	project.Inject(supabasetest.TooManyRequests("/rpc/stowage_put", 30*time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	began := time.Now()
	_, err := b.Put(ctx, "k", strings.NewReader("v"), storage.PutOptions{})
	if e := storage.AsError(err); e == nil || e.Code != storage.CodeThrottled || e.RetryAfter != 30*time.Second || e.OutcomeUnknown {
		t.Errorf("got %+v", e)
	}
	if time.Since(began) > 10*time.Second {
		t.Error("it waited all the same")
	}
}
