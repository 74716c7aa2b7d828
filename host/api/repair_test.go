package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/api/internal/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// mender is a host whose policy "safe" is repaired by a function.
type mender struct {
	standIn
	repair func(ctx context.Context, opts RepairOptions, progress func(any)) (any, error)
}

func (m *mender) Repair(ctx context.Context, policy string, opts RepairOptions, progress func(any)) (any, error) {
	if policy != "safe" {
		return nil, storage.Errorf(storage.CodeNotFound, "there is no policy %q; those that can be repaired: safe", policy)
	}
	return m.repair(ctx, opts, progress)
}

type counted struct {
	Scanned int `json:"scanned"`
}

func startMender(t *testing.T, opts Options, repair func(ctx context.Context, opts RepairOptions, progress func(any)) (any, error)) *front {
	t.Helper()
	return startHost(t, &mender{standIn{store: storage.Complete(new(memory.Backend))}, repair}, opts)
}

func TestARepairTellsItsProgressAndEndsWithAReport(t *testing.T) {
	var got RepairOptions
	f := startMender(t, Options{}, func(_ context.Context, opts RepairOptions, progress func(any)) (any, error) {
		got = opts
		progress(counted{1})
		progress(counted{2})
		return counted{3}, nil
	})
	a := f.do("POST", "/v1/repair/safe?dry_run=true&verify=true&restart=true&rate=2.5", "")
	want := "{\"progress\":{\"scanned\":1}}\n{\"progress\":{\"scanned\":2}}\n{\"report\":{\"scanned\":3}}\n"
	if a.StatusCode != 200 || a.body != want || a.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%s %v %q", a.Status, a.Header, a.body)
	}
	if got != (RepairOptions{DryRun: true, Verify: true, Restart: true, Rate: 2.5}) {
		t.Errorf("options %+v", got)
	}
	f.do("POST", "/v1/repair/%73afe", "")
	if got != (RepairOptions{}) {
		t.Errorf("options of a plain request: %+v", got)
	}
}

func TestARepairThatFailsHalfwayEndsWithAnError(t *testing.T) {
	f := startMender(t, Options{}, func(_ context.Context, _ RepairOptions, progress func(any)) (any, error) {
		progress(counted{1})
		return counted{2}, storage.Errorf(storage.CodeUnavailable, "a child is down")
	})
	a := f.do("POST", "/v1/repair/safe", "")
	lines := strings.Split(strings.TrimSpace(a.body), "\n")
	var last struct {
		Report counted
		Error  problem
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("%q: %v", a.body, err)
	}
	if a.StatusCode != 200 || len(lines) != 2 || last.Report.Scanned != 2 || last.Error.Code != "Unavailable" || last.Error.Detail != "a child is down" {
		t.Errorf("%s %q", a.Status, a.body)
	}
}

func TestWhatCannotBeRepairedIsRefusedBeforeAnythingIsSaid(t *testing.T) {
	f := startMender(t, Options{Tokens: []string{"secret"}}, func(context.Context, RepairOptions, func(any)) (any, error) {
		return nil, storage.Errorf(storage.CodeAborted, "it is being repaired already")
	})
	g := startMemory(t, Options{})
	for name, c := range map[string]struct {
		answer answer
		status int
		detail string
	}{
		"unknown":      {f.do("POST", "/v1/repair/other", "", "Authorization: Bearer secret"), 404, "those that can be repaired: safe"},
		"busy":         {f.do("POST", "/v1/repair/safe", "", "Authorization: Bearer secret"), 409, "repaired already"},
		"no name":      {f.do("POST", "/v1/repair/", "", "Authorization: Bearer secret"), 400, "name the policy"},
		"no token":     {f.do("POST", "/v1/repair/safe", ""), 401, "token"},
		"foreign page": {f.do("POST", "/v1/repair/safe", "", "Origin: http://evil.example"), 403, "another site"},
		"a GET":        {f.do("GET", "/v1/repair/safe", "", "Authorization: Bearer secret"), 405, "POST"},
		"misspelt":     {f.do("POST", "/v1/repair/safe?dry-run=true", "", "Authorization: Bearer secret"), 400, "no parameter"},
		"twice":        {f.do("POST", "/v1/repair/safe?rate=1&rate=2", "", "Authorization: Bearer secret"), 400, "2 times"},
		"no number":    {f.do("POST", "/v1/repair/safe?rate=NaN", "", "Authorization: Bearer secret"), 400, "not a number"},
		"not offered":  {g.do("POST", "/v1/repair/safe", ""), 501, "repairs nothing"},
	} {
		if p := c.answer.problem(t); c.answer.StatusCode != c.status || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %s %+v", name, c.answer.Status, p)
		}
	}
}

func TestARepairEndsWhenItsCallerIsGone(t *testing.T) {
	ended := make(chan struct{})
	f := startMender(t, Options{}, func(ctx context.Context, _ RepairOptions, progress func(any)) (any, error) {
		progress(counted{1})
		<-ctx.Done()
		close(ended)
		return counted{1}, ctx.Err()
	})
	conn := f.dial()
	if _, err := conn.Write([]byte("POST /v1/repair/safe HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	_ = conn.Close()
	_ = resp.Body.Close()
	<-ended
}

func TestAQuietRepairIsNotCutOff(t *testing.T) {
	const bodyTimeout = 50 * time.Millisecond
	f := startMender(t, Options{BodyTimeout: bodyTimeout, TLS: &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}}},
		func(ctx context.Context, _ RepairOptions, progress func(any)) (any, error) {
			progress(counted{1})
			quiet := time.NewTimer(4 * bodyTimeout)
			defer quiet.Stop()
			select {
			case <-quiet.C:
				return counted{2}, nil
			case <-ctx.Done():
				return counted{1}, ctx.Err()
			}
		})
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Post("https://"+f.addr+"/v1/repair/safe", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); resp.ProtoMajor != 2 || !strings.Contains(string(body), `{"report":{"scanned":2}}`) {
		t.Errorf("%s %q, %v", resp.Proto, body, err)
	}
}

func TestShutdownEndsARepairAtOnce(t *testing.T) {
	began := make(chan struct{})
	f := startMender(t, Options{}, func(ctx context.Context, _ RepairOptions, progress func(any)) (any, error) {
		progress(counted{1})
		close(began)
		<-ctx.Done()
		return counted{1}, ctx.Err()
	})
	answered := make(chan answer)
	go func() { answered <- f.do("POST", "/v1/repair/safe", "") }()
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if a := <-answered; !strings.Contains(a.body, `"code":"Unavailable"`) || !strings.Contains(a.body, "goes on where this one ended") {
		t.Errorf("%q", a.body)
	}
}
