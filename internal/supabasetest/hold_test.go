package supabasetest

import (
	"context"
	"errors"
	"testing"
)

func send(t *testing.T, p *Project) (cancel context.CancelFunc, result <-chan error) {
	t.Helper()
	c := client(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := callRequest(t, p).WithContext(ctx)
	ended := make(chan error, 1)
	go func() {
		answer, err := do(c, r)
		if err == nil && answer.status != 200 {
			err = errors.New(answer.body)
		}
		ended <- err
	}()
	return cancel, ended
}

func TestHeldRequests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		kind         Kind
		leaves       bool
		carriedOut   int
		releaseFirst bool
	}{
		{"a stalled request goes on when released", Stall, false, 1, true},
		{"a stalled request ends with its client", Stall, true, 0, false},
		{"a late request goes on when released", Late, false, 1, true},
		{"a late request outlives its client", Late, true, 1, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, calls := counting(t, ProjectOptions{})
			injection := p.Inject(Fault{Match: "POST /rpc/call", Kind: test.kind})
			cancel, result := send(t, p)
			defer cancel()
			if err := injection.WaitHit(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if got := calls(); got != 0 {
				t.Errorf("%d calls while it is held", got)
			}
			if test.leaves {
				cancel()
				if err := <-result; err == nil {
					t.Error("a cancelled request succeeded")
				}
			}
			if test.leaves {
				if err := injection.WaitGone(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
			if test.releaseFirst {
				injection.Release()
			}
			if err := injection.WaitDone(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if !test.leaves {
				if err := <-result; err != nil {
					t.Error(err)
				}
			}
			if got := calls(); got != test.carriedOut {
				t.Errorf("%d calls at the end, want %d", got, test.carriedOut)
			}
		})
	}
}

func TestCloseEndsHeldRequests(t *testing.T) {
	t.Parallel()
	p, _ := counting(t, ProjectOptions{})
	injection := p.Inject(Fault{Kind: Late})
	cancel, result := send(t, p)
	defer cancel()
	if err := injection.WaitHit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; err == nil {
		t.Error("the request succeeded")
	}
}

func TestCloseWaitsForHandlers(t *testing.T) {
	t.Parallel()
	var g gate
	if !g.enter() {
		t.Fatal("a new gate is closed")
	}
	closed := make(chan struct{})
	go func() { g.close(); close(closed) }()
	for g.enter() {
		g.leave()
	}
	select {
	case <-closed:
		t.Error("closed with a handler inside")
	default:
	}
	g.leave()
	<-closed
}

func TestAClientThatLeavesDoesNotStopItsFunction(t *testing.T) {
	t.Parallel()
	p, calls := counting(t, ProjectOptions{})
	migrate(t, p,
		"create function slow() returns void language plpgsql as "+
			"$$ begin perform pg_advisory_xact_lock(1); insert into calls values (1); end $$",
		"create function unlock() returns void language sql as 'select pg_advisory_unlock_all()'",
	)
	holder, err := p.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Release()
	if _, err := holder.Exec(t.Context(), "select pg_advisory_lock(1)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := request(t, p, p.SecretKey, "POST", "/rest/v1/rpc/slow", "{}").WithContext(ctx)
	ended := make(chan error, 1)
	c := client(t)
	go func() { _, err := do(c, r); ended <- err }()
	waiting := 0
	for waiting == 0 {
		if err := holder.QueryRow(t.Context(),
			"select count(*) from pg_locks where locktype = 'advisory' and not granted").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("a cancelled request succeeded")
	}
	if _, err := holder.Exec(t.Context(), "select pg_advisory_unlock(1)"); err != nil {
		t.Fatal(err)
	}
	for calls() == 0 {
		if t.Context().Err() != nil {
			t.Fatal("never carried out")
		}
	}
}
