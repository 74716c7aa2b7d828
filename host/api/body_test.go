package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/api/internal/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// watchedBackend tells how each Put ended.
type watchedBackend struct {
	memory.Backend
	ended chan error
}

func (b *watchedBackend) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	res, err := b.Backend.Put(ctx, key, body, opts)
	b.ended <- err
	return res, err
}

func (b *watchedBackend) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-b.ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("Put did not end within 10 s")
		return nil
	}
}

func TestABodyCutShortLeavesTheOldValue(t *testing.T) {
	for name, request := range map[string]string{
		"length":              "Content-Length: 10\r\n\r\nnew",
		"length, no byte":     "Content-Length: 10\r\n\r\n",
		"chunked":             "Transfer-Encoding: chunked\r\n\r\n3\r\nnew\r\n",
		"inside of a chunk":   "Transfer-Encoding: chunked\r\n\r\n9\r\nnew",
		"before the last CR":  "Transfer-Encoding: chunked\r\n\r\n3\r\nnew\r\n0\r\n",
		"malformed chunk":     "Transfer-Encoding: chunked\r\n\r\n3\r\nnew\r\nzz\r\n",
		"chunk that is short": "Transfer-Encoding: chunked\r\n\r\n2\r\nnew\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := &watchedBackend{ended: make(chan error, 2)}
			f := start(t, b, Options{})
			f.put("/v1/objects/a", "old")
			if err := b.wait(t); err != nil {
				t.Fatal(err)
			}
			conn := f.dial()
			if _, err := io.WriteString(conn, "PUT /v1/objects/a HTTP/1.1\r\nHost: localhost\r\n"+request); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if err := b.wait(t); err == nil || storage.CodeOf(err).Unhealthy() {
				t.Errorf("Put ended with %v; want an error that does not count against the backend", err)
			}
			if a := f.answer(conn, "PUT"); a.StatusCode != 400 || a.problem(t).Code != "InvalidArgument" {
				t.Errorf("the answer is %s", a.Status)
			}
			if a := f.do("GET", "/v1/objects/a", ""); a.body != "old" {
				t.Errorf("the value is %q", a.body)
			}
		})
	}
}

func TestABodyThatStallsEnds(t *testing.T) {
	b := &watchedBackend{ended: make(chan error, 1)}
	f := start(t, b, Options{BodyTimeout: 50 * time.Millisecond})
	conn := f.dial()
	if _, err := io.WriteString(conn, "PUT /v1/objects/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	if err := b.wait(t); err == nil || storage.CodeOf(err).Unhealthy() {
		t.Errorf("Put ended with %v", err)
	}
	if a := f.answer(conn, "PUT"); a.StatusCode != 408 || !a.Close {
		t.Errorf("the answer is %s", a.Status)
	}
}

func TestABodyThatDripsEnds(t *testing.T) {
	b := &watchedBackend{ended: make(chan error, 1)}
	f := start(t, b, Options{BodyTimeout: 200 * time.Millisecond})
	conn := f.dial()
	if _, err := io.WriteString(conn, "PUT /v1/objects/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	drip := time.NewTicker(5 * time.Millisecond)
	defer drip.Stop()
	for range 2000 {
		select {
		case err := <-b.ended:
			if err == nil {
				t.Error("a body that drips was stored")
			}
			return
		case <-drip.C:
			_, _ = conn.Write([]byte("x"))
		}
	}
	t.Error("a byte every 5 ms kept a request alive for ten seconds")
}

// slowBackend takes its time between one read of the body and the next.
type slowBackend struct {
	memory.Backend
	pause time.Duration
}

func (b *slowBackend) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	return b.Backend.Put(ctx, key, io.MultiReader(io.LimitReader(body, 10), pausedReader{body, b.pause}), opts)
}

type pausedReader struct {
	io.Reader
	pause time.Duration
}

func (r pausedReader) Read(p []byte) (int, error) {
	<-time.After(r.pause)
	return r.Reader.Read(p)
}

func TestTheTimeTheStoreTakesIsNotTheBodys(t *testing.T) {
	f := start(t, &slowBackend{pause: 200 * time.Millisecond}, Options{BodyTimeout: 100 * time.Millisecond})
	f.put("/v1/objects/a", strings.Repeat("x", 100))
}

func TestACallerWhoDoesNotReadIsLetGo(t *testing.T) {
	value := bytes.Repeat([]byte("x"), 16<<20)
	closed := make(chan struct{})
	f := start(t, &failingBackend{reader: func() *storage.Reader {
		o := storage.Object{Key: "a", Size: int64(len(value)), ETag: "e", CRC32C: storage.Checksum(0, value)}
		return storage.NewReader(o, 0, o.Size, &closeTeller{bytes.NewReader(value), closed})
	}}, Options{BodyTimeout: 100 * time.Millisecond})
	conn := f.dial()
	if _, err := io.WriteString(conn, "GET /v1/objects/a HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("the reader is still open")
	}
}

type closeTeller struct {
	io.Reader
	closed chan struct{}
}

func (c *closeTeller) Close() error {
	close(c.closed)
	return nil
}

func TestMaxObjectSize(t *testing.T) {
	f := startMemory(t, Options{MaxObjectSize: 10})
	f.put("/v1/objects/a", "0123456789")
	for name, a := range map[string]answer{
		"length":  f.do("PUT", "/v1/objects/a", "0123456789x"),
		"chunked": f.raw("PUT /v1/objects/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789x\r\n0\r\n\r\n"),
		// The body never comes: the answer does not wait for it.
		"before reading": f.raw(fmt.Sprintf("PUT /v1/objects/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", 1<<40)),
		"expecting":      f.raw("PUT /v1/objects/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n"),
	} {
		if p := a.problem(t); a.StatusCode != 413 || p.Code != "TooLarge" {
			t.Errorf("%s: %s %+v", name, a.Status, p)
		}
	}
	if a := f.do("GET", "/v1/objects/a", ""); a.body != "0123456789" {
		t.Errorf("the value is %q", a.body)
	}
}

func TestExpectContinue(t *testing.T) {
	f := startMemory(t, Options{})
	conn := f.dial()
	if _, err := io.WriteString(conn, "PUT /v1/objects/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if a := f.answer(conn, "PUT"); a.StatusCode != 100 {
		t.Fatalf("before the body: %s", a.Status)
	}
	if _, err := io.WriteString(conn, "abc"); err != nil {
		t.Fatal(err)
	}
	if a := f.answer(conn, "PUT"); a.StatusCode != 201 {
		t.Errorf("after the body: %s", a.Status)
	}
}

func TestABodyOnOtherMethodsMeansNothing(t *testing.T) {
	f := startMemory(t, Options{})
	f.put("/v1/objects/a", "1")
	if a := f.do("GET", "/v1/objects/a", "ignored"); a.StatusCode != 200 || a.body != "1" {
		t.Errorf("GET: %s %q", a.Status, a.body)
	}
	if a := f.do("DELETE", "/v1/objects/a", strings.Repeat("x", 2*bufferSize)); a.StatusCode != 413 {
		t.Errorf("DELETE with a long body: %s", a.Status)
	}
}

func TestPipelinedRequestsAreAnsweredInTurn(t *testing.T) {
	f := startMemory(t, Options{})
	f.put("/v1/objects/a", "1")
	conn := f.dial()
	one := "GET /v1/objects/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
	if _, err := io.WriteString(conn, one+one+strings.Replace(one, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if n := strings.Count(string(all), "HTTP/1.1 200 OK"); err != nil || n != 3 {
		t.Errorf("%d answers, %v", n, err)
	}
}
