package supabasetest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// counting is a project with a function that leaves a trace of each call.
func counting(t *testing.T, options ProjectOptions) (*Project, func() int) {
	t.Helper()
	p := Open(t, shared, options)
	migrate(t, p,
		"create table calls (n int)",
		"create function call(n int default 0) returns int language sql as 'insert into calls values (n) returning n'",
		"create function large() returns text language sql as $$ select repeat('x', 100000) $$",
	)
	return p, func() int {
		t.Helper()
		c := client(t)
		got := must(t, c, request(t, p, p.ServiceKey, "GET", "/rest/v1/calls", ""))
		return strings.Count(got.body, `"n"`)
	}
}

func callRequest(t *testing.T, p *Project) *http.Request {
	return request(t, p, p.SecretKey, "POST", "/rest/v1/rpc/call", `{"n": 7}`)
}

func TestFaultsBreakConnections(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		name := "over HTTP/1.1"
		if secure {
			name = "over HTTP/2"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, calls := counting(t, ProjectOptions{})
			if secure {
				secured := Open(t, shared, ProjectOptions{TLS: true})
				migrate(t, secured,
					"create table calls (n int)",
					"create function call(n int default 0) returns int language sql as 'insert into calls values (n) returning n'",
					"create function large() returns text language sql as $$ select repeat('x', 100000) $$",
				)
				p = secured
				calls = func() int {
					got := must(t, secureClient(t, p), request(t, p, p.ServiceKey, "GET", "/rest/v1/calls", ""))
					return strings.Count(got.body, `"n"`)
				}
			}
			c := client(t)
			if secure {
				c = secureClient(t, p)
			}
			for _, test := range []struct {
				name  string
				fault Fault
				calls int
			}{
				{"lost answer", Fault{Kind: AnswerLost}, 1},
				{"cut before", Fault{Kind: CutBefore}, 0},
				{"cut request", Fault{Kind: CutRequest, Bytes: 4}, 0},
			} {
				before := calls()
				test.fault.Match = "POST /rpc/call"
				injection := p.Inject(test.fault)
				if answer, err := do(c, callRequest(t, p)); err == nil {
					t.Errorf("%s: got %v", test.name, answer)
				}
				if err := injection.WaitDone(t.Context(), 1); err != nil {
					t.Error(err)
				}
				if got := calls() - before; got != test.calls {
					t.Errorf("%s: carried out %d times, want %d", test.name, got, test.calls)
				}
				want(t, must(t, c, callRequest(t, p)), 200, "7")
			}
			p.Inject(Fault{Match: "/rpc/large", Kind: CutAnswer, Bytes: 5000})
			r := request(t, p, p.SecretKey, "POST", "/rest/v1/rpc/large", `{}`, "Accept-Encoding: identity")
			answer, err := do(c, r)
			if err == nil || answer.status != 200 || len(answer.body) != 5000 {
				t.Errorf("cut answer: %d bytes of %d: %v", len(answer.body), answer.status, err)
			}
		})
	}
}

func secureClient(t *testing.T, p *Project) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(p.CAPEM()) {
		t.Fatal("no certificate in CAPEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestTLSSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	p := Open(t, shared, ProjectOptions{TLS: true})
	response, err := secureClient(t, p).Do(request(t, p, p.SecretKey, "GET", "/rest/v1/", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 || response.StatusCode != 200 {
		t.Errorf("%s %s", response.Proto, response.Status)
	}
}

func TestAFaultTakesWhatItMatches(t *testing.T) {
	t.Parallel()
	p, _ := counting(t, ProjectOptions{})
	c := client(t)
	fault := TooManyRequests("POST /rpc/call", 2*time.Second)
	fault.Skip, fault.Times = 1, 2
	p.Inject(fault)
	statuses := func(method string, n int) (got []int) {
		for range n {
			got = append(got, must(t, c, request(t, p, p.SecretKey, method, "/rest/v1/rpc/call", "")).status)
		}
		return got
	}
	if got := statuses("HEAD", 2); got[0] == 429 || got[1] == 429 {
		t.Errorf("another method was broken: %v", got)
	}
	got := statuses("POST", 4)
	if got[0] != 200 || got[1] != 429 || got[2] != 429 || got[3] != 200 {
		t.Errorf("statuses %v", got)
	}
	for match, count := range map[string]int{"POST /rpc/call": 4, "POST": 4, "/rpc/call": 6, "": 6, "GET": 0} {
		if got := p.Count(match); got != count {
			t.Errorf("%d requests match %q, want %d", got, match, count)
		}
	}
	p.ResetRequests()
	if len(p.Requests()) != 0 {
		t.Errorf("after a reset: %v", p.Requests())
	}

	t.Run("until it is removed", func(t *testing.T) {
		injection := p.Inject(Fault{Kind: Answer, Status: 418, Times: -1})
		want(t, must(t, c, callRequest(t, p)), 418, "")
		want(t, must(t, c, callRequest(t, p)), 418, "")
		injection.Remove()
		want(t, must(t, c, callRequest(t, p)), 200, "7")
		if injection.Hits() != 2 {
			t.Errorf("%d hits", injection.Hits())
		}
	})
}

func TestFixedAnswersAreThoseOfTheServices(t *testing.T) {
	t.Parallel()
	p := Open(t, shared, ProjectOptions{})
	c := client(t)
	for _, test := range []struct {
		fault         Fault
		status        int
		header, value string
		part          string
	}{
		{TooManyRequests("", time.Second), 429, "Retry-After", "1", "rate limit"},
		{TooManyRequests("", -1), 429, "Retry-After", "", "rate limit"},
		{ServiceUnavailable("", 0), 503, "Retry-After", "0", "message"},
		{StorageTimeout(""), 544, "", "", `{"statusCode":"544","code":"DatabaseTimeout"`},
		{SlowDown(""), 429, "", "", `"code":"SlowDown"`},
		{SerializationFailure(""), 500, "", "", `"code":"40001"`},
		{Deadlock(""), 500, "", "", `"code":"40P01"`},
		{StatementTimeout(""), 500, "", "", `"code":"57014"`},
		{PoolTimeout(""), 504, "", "", `"code":"PGRST003"`},
		{SchemaUnread(""), 503, "", "", `"code":"PGRST002"`},
		{ExpiredKey(""), 401, "WWW-Authenticate", `Bearer error="invalid_token", error_description="JWT expired"`, `"code":"PGRST303"`},
		{RevokedKey(""), 401, "", "", `"message":"Invalid API key"`},
	} {
		p.Inject(test.fault)
		got := must(t, c, callRequest(t, p))
		want(t, got, test.status, test.part)
		if got.header.Get(test.header) != test.value {
			t.Errorf("%s: %q, want %q", test.header, got.header.Get(test.header), test.value)
		}
	}
}

// send starts a request that can be given up.
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
	ctx := t.Context()
	cluster, err := StartCluster(ctx, ClusterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.Close() })
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
	if err := cluster.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for got := call(); got.status != 200; got = call() {
		want(t, got, 503, `"code":`)
	}
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
