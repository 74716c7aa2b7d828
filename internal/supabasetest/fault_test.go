package supabasetest

import (
	"crypto/tls"
	"crypto/x509"
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
