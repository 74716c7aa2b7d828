package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/api/internal/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// heldBackend holds every Stat until it is released or its context ends.
type heldBackend struct {
	memory.Backend
	entered chan struct{}
	release chan struct{}
}

func newHeld() *heldBackend {
	return &heldBackend{entered: make(chan struct{}, 100), release: make(chan struct{})}
}

func (b *heldBackend) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	b.entered <- struct{}{}
	select {
	case <-b.release:
		return b.Backend.Stat(ctx, key, opts)
	case <-ctx.Done():
		return storage.Object{}, ctx.Err()
	}
}

// hold begins a HEAD that stays until it is released, and returns its
// connection.
func (b *heldBackend) hold(f *front) net.Conn {
	f.t.Helper()
	conn := f.dial()
	if _, err := io.WriteString(conn, "HEAD /v1/objects/a HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		f.t.Fatal(err)
	}
	<-b.entered
	return conn
}

func TestServices(t *testing.T) {
	host := &standIn{store: storage.Complete(new(memory.Backend)), ready: errors.New("no backend can serve")}
	f := startHost(t, host, Options{})
	if a := f.do("GET", "/healthz", ""); a.StatusCode != 200 || a.body != "ok\n" {
		t.Errorf("/healthz: %s %q", a.Status, a.body)
	}
	a := f.do("GET", "/readyz", "")
	if p := a.problem(t); a.StatusCode != 503 || p.Detail != "no backend can serve" || a.Header.Get("Retry-After") == "" {
		t.Errorf("/readyz: %s %+v", a.Status, p)
	}
	if a := f.do("GET", "/v1/status", ""); a.StatusCode != 200 || a.body != `{"backends":["disk"]}`+"\n" {
		t.Errorf("/v1/status: %s %q", a.Status, a.body)
	}
	if a := f.do("GET", "/metrics", ""); a.StatusCode != 404 {
		t.Errorf("/metrics without any: %s", a.Status)
	}
	g := startHost(t, &standIn{store: host.store, metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "up 1\n")
	})}, Options{})
	if a := g.do("GET", "/metrics", ""); a.StatusCode != 200 || a.body != "up 1\n" {
		t.Errorf("/metrics: %s %q", a.Status, a.body)
	}
	if a := g.do("HEAD", "/readyz", ""); a.StatusCode != 200 || a.body != "" {
		t.Errorf("/readyz: %s %q", a.Status, a.body)
	}
}

func TestTooManyRequestsAreTurnedAway(t *testing.T) {
	b := newHeld()
	f := start(t, b, Options{MaxRequests: 2})
	first, second := b.hold(f), b.hold(f)
	a := f.do("GET", "/v1/objects", "")
	if p := a.problem(t); a.StatusCode != 503 || p.Code != "Unavailable" || a.Header.Get("Retry-After") != "1" {
		t.Errorf("the third: %s %+v", a.Status, p)
	}
	if a := f.do("GET", "/healthz", ""); a.StatusCode != 200 {
		t.Errorf("/healthz: %s", a.Status)
	}
	close(b.release)
	for _, conn := range []net.Conn{first, second} {
		if a := f.answer(conn, "HEAD"); a.StatusCode != 404 {
			t.Errorf("a held request: %s", a.Status)
		}
	}
	f.list("")
}

func TestSilentConnectionsMakeRoom(t *testing.T) {
	f := startMemory(t, Options{MaxConnections: 4})
	f.put("/v1/objects/a", "1")
	var silent []net.Conn
	for i := range 12 {
		conn := f.dial()
		if i%2 == 0 { // half of them begin a header and do not go on
			if _, err := io.WriteString(conn, "GET /v1/obj"); err != nil {
				t.Fatal(err)
			}
		}
		silent = append(silent, conn)
	}
	for range 3 {
		if a := f.do("GET", "/v1/objects/a", ""); a.body != "1" {
			t.Fatalf("GET: %s", a.Status)
		}
	}
	if _, err := silent[0].Read(make([]byte, 1)); err == nil {
		t.Error("the longest silent connection is still open")
	}
}

func TestABusyConnectionIsNotClosedForANewOne(t *testing.T) {
	b := newHeld()
	f := start(t, b, Options{MaxConnections: 2})
	busy := b.hold(f)
	for range 8 {
		f.dial()
	}
	if a := f.do("GET", "/healthz", ""); a.StatusCode != 200 {
		t.Errorf("/healthz: %s", a.Status)
	}
	close(b.release)
	if a := f.answer(busy, "HEAD"); a.StatusCode != 404 {
		t.Errorf("the busy connection: %s", a.Status)
	}
}

func TestASlowHeaderIsCutOff(t *testing.T) {
	f := startMemory(t, Options{HeaderTimeout: 50 * time.Millisecond})
	conn := f.dial()
	if _, err := io.WriteString(conn, "GET /v1/objects HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(conn); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestALongHeaderIsRefused(t *testing.T) {
	f := startMemory(t, Options{MaxHeaderBytes: 4096})
	a := f.do("GET", "/v1/objects", "", "X: "+strings.Repeat("x", 16<<10))
	if p := a.problem(t); a.StatusCode != 431 || p.Code != "InvalidArgument" {
		t.Errorf("%s %+v", a.Status, p)
	}
}

func TestShutdownDrains(t *testing.T) {
	b := newHeld()
	f := start(t, b, Options{})
	held, idle := b.hold(f), f.dial()
	shutdown := make(chan error, 1)
	go func() { shutdown <- f.server.Shutdown(context.Background()) }()
	eventually(t, "/readyz fails", func() bool { return f.do("GET", "/readyz", "").StatusCode == 503 })
	if a := f.do("GET", "/healthz", ""); a.StatusCode != 200 {
		t.Errorf("/healthz while draining: %s", a.Status)
	}
	a := f.do("PUT", "/v1/objects/b", "new")
	if p := a.problem(t); a.StatusCode != 503 || p.Code != "Unavailable" || a.Header.Get("Retry-After") == "" {
		t.Errorf("a new request while draining: %s %+v", a.Status, p)
	}
	select {
	case err := <-shutdown:
		t.Fatalf("Shutdown did not wait for the running request: %v", err)
	default:
	}
	close(b.release)
	if a := f.answer(held, "HEAD"); a.StatusCode != 404 {
		t.Errorf("the running request: %s", a.Status)
	}
	if err := <-shutdown; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	<-f.server.Done()
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("the idle connection is still open")
	}
	if conn, err := net.Dial("tcp", f.addr); err == nil {
		_ = conn.Close()
		t.Error("the listener is still open")
	}
}

func TestShutdownCutsOffWhatDoesNotEnd(t *testing.T) {
	b := newHeld()
	f := start(t, b, Options{})
	held := b.hold(f)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := f.server.Shutdown(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "cut off: 1") {
		t.Errorf("Shutdown: %v", err)
	}
	if n := f.server.gate.count(); n != 0 {
		t.Errorf("%d requests still run", n)
	}
	if _, err := held.Read(make([]byte, 1)); err == nil {
		t.Error("the connection was answered")
	}
	if err := f.server.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown again: %v", err)
	}
}

func TestAServerThatNeverStarted(t *testing.T) {
	server, err := New(&standIn{}, Options{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if server.Addr() != nil {
		t.Error("it has an address")
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := server.Start(t.Context()); err == nil {
		t.Error("it started after its shutdown")
	}
}

func TestAnAddressThatIsTaken(t *testing.T) {
	f := startMemory(t, Options{})
	server, err := New(&standIn{}, Options{Listen: f.addr})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("Start: %v", err)
	}
}

func TestAReadIsOneVersion(t *testing.T) {
	f := startMemory(t, Options{})
	values := map[byte]int{'a': 3 * bufferSize, 'b': 5*bufferSize + 7, 'c': 100}
	put := func(c byte) { f.put("/v1/objects/k", strings.Repeat(string(c), values[c])) }
	put('a')
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := range 60 {
			put("abc"[i%3])
		}
	})
	for range 60 {
		a := f.do("GET", "/v1/objects/k", "")
		c := a.body[0]
		if a.broken != nil || len(a.body) != values[c] || !bytes.Equal(bytes.Trim([]byte(a.body), string(c)), nil) {
			t.Errorf("a mixture of versions: %d bytes of %q, %v", len(a.body), c, a.broken)
		}
		// The start lies outside of the shortest version only.
		a = f.do("GET", "/v1/objects/k", "", "Range: bytes=200-299")
		switch a.StatusCode {
		case 206:
			if len(a.body) != 100 || strings.Contains(a.Header.Get("Content-Range"), "/100") {
				t.Errorf("206 %q %v", a.body, a.Header)
			}
		case 416:
			if a.Header.Get("Content-Range") != "bytes */100" {
				t.Errorf("416 %v", a.Header)
			}
		default:
			t.Errorf("range: %s", a.Status)
		}
	}
	writers.Wait()
}
