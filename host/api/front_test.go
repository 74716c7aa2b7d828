package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/api/internal/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// standIn is a host around a backend. Its fields are set before it serves.
type standIn struct {
	store   storage.Store
	ready   error
	metrics http.Handler
}

func (s *standIn) Store() storage.Store  { return s.store }
func (s *standIn) Status() any           { return map[string]any{"backends": []string{"disk"}} }
func (s *standIn) Ready() error          { return s.ready }
func (s *standIn) Metrics() http.Handler { return s.metrics }

// front is a running server under test. Requests go over sockets of the test's
// own, since a client of net/http would tidy them.
type front struct {
	t      testing.TB
	server *Server
	addr   string
}

func start(t testing.TB, backend storage.Backend, opts Options) *front {
	t.Helper()
	return startHost(t, &standIn{store: storage.Complete(backend)}, opts)
}

func startHost(t testing.TB, host Host, opts Options) *front {
	t.Helper()
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	server, err := New(host, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return &front{t: t, server: server, addr: server.Addr().String()}
}

func startMemory(t testing.TB, opts Options) *front {
	t.Helper()
	return start(t, new(memory.Backend), opts)
}

// answer is a response that was read to its end, or to where it broke off.
type answer struct {
	*http.Response
	body string
	// broken is the error that ended the body early.
	broken error
}

// problem decodes an error document.
func (a answer) problem(t testing.TB) problem {
	t.Helper()
	if got := a.Header.Get("Content-Type"); got != problemType {
		t.Fatalf("content type %q of the answer %d, want %s; body %q", got, a.StatusCode, problemType, a.body)
	}
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("problem %q: %v", a.body, err)
	}
	return p
}

func (f *front) dial() net.Conn {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		f.t.Fatal(err)
	}
	return conn
}

// raw sends text as it is and reads one answer.
func (f *front) raw(text string) answer {
	f.t.Helper()
	conn := f.dial()
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		f.t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	return f.answer(conn, method)
}

// answer reads the next answer on conn.
func (f *front) answer(conn net.Conn, method string) answer {
	f.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		f.t.Fatalf("reading the answer: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp, string(body), err}
}

// do sends a request with the header lines ("Name: value") and a body of known
// length.
func (f *front) do(method, target, body string, header ...string) answer {
	f.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", method, target, f.addr)
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	if body != "" || method == http.MethodPut {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return f.raw(b.String())
}

// put stores value and returns its etag, quoted.
func (f *front) put(target, value string, header ...string) string {
	f.t.Helper()
	a := f.do("PUT", target, value, header...)
	if a.StatusCode != http.StatusCreated && a.StatusCode != http.StatusOK {
		f.t.Fatalf("PUT %s: %s: %s", target, a.Status, a.body)
	}
	return a.Header.Get("ETag")
}

// eventually waits for something outside of the test's reach.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(time.Millisecond) // polls a socket or a counter
	}
}
