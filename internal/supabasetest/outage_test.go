package supabasetest

import (
	"testing"
	"time"
)

func TestOutage(t *testing.T) {
	t.Parallel()
	p, calls := counting(t, ProjectOptions{})
	c := client(t)
	want(t, must(t, c, callRequest(t, p)), 200, "7")
	p.Outage(true)
	for range 2 {
		if answer, err := do(c, callRequest(t, p)); err == nil {
			t.Errorf("got %v", answer)
		}
	}
	p.Outage(false)
	want(t, must(t, c, callRequest(t, p)), 200, "7")
	if got := calls(); got != 2 {
		t.Errorf("%d calls, want 2", got)
	}
}

func TestAFullPoolIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	p := Open(t, shared, ProjectOptions{PoolSize: 1, AcquireTimeout: 50 * time.Millisecond})
	migrate(t, p,
		"create table held (n int)",
		"create function wait() returns void language sql as 'lock table held'",
		"grant all on held to service_role",
	)
	c := client(t)
	holder, err := p.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, must(t, c, request(t, p, p.SecretKey, "POST", "/rest/v1/rpc/wait", "{}")), 504, `"code":"PGRST003"`)
	holder.Release()
	want(t, must(t, c, request(t, p, p.SecretKey, "POST", "/rest/v1/rpc/wait", "{}")), 204, ``)
}

func TestTheFrontOutlivesItsDatabase(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t)
	p := Open(t, cluster, ProjectOptions{})
	migrate(t, p, "create function one() returns int language sql as 'select 1'")
	c := client(t)
	call := func() reply { return must(t, c, request(t, p, p.SecretKey, "POST", "/rest/v1/rpc/one", "{}")) }
	want(t, call(), 200, "1")
	cluster.Kill()
	for range 3 {
		want(t, call(), 503, `"code":"PGRST00`)
	}
	want(t, call(), 503, `"message":"Database connection error. Retrying the connection."`)
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for got := call(); got.status != 200; got = call() {
		want(t, got, 503, `"code":`)
	}
}
