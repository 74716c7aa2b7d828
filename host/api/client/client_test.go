package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/api"
	"github.com/p2p-ai-agents/stowage/host/api/client"
	"github.com/p2p-ai-agents/stowage/host/api/internal/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

type host struct {
	store storage.Store
	ready error
}

func (h *host) Store() storage.Store  { return h.store }
func (h *host) Status() any           { return map[string]int{"backends": 1} }
func (h *host) Ready() error          { return h.ready }
func (h *host) Metrics() http.Handler { return nil }

// serve starts a host and returns its address.
func serve(t testing.TB, h *host, opts api.Options) string {
	t.Helper()
	return serveHost(t, h, opts)
}

func serveHost(t testing.TB, h api.Host, opts api.Options) string {
	t.Helper()
	opts.Listen = "127.0.0.1:0"
	server, err := api.New(h, opts)
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
	return server.Addr().String()
}

func connect(t testing.TB, addr string, opts client.Options) *client.Client {
	t.Helper()
	c, err := client.New(addr, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func open(t testing.TB, b storage.Backend) *client.Client {
	t.Helper()
	return connect(t, serve(t, &host{store: storage.Complete(b)}, api.Options{}), client.Options{})
}

func TestKeysComeBackUnchanged(t *testing.T) {
	store := open(t, new(memory.Backend)).Store()
	for _, key := range []string{
		"a", "a/b", "..", ".", "../..", "a/../b", "/", "//", "///", "/a", "a/", "a//b", "a/./b", "%2F", "a%b", "a?b#c", "a+b c",
		"\x01\n\x7f", `\`, "grüße/日本/🗄", "e\u0301", ";=&,:@!$'()*", strings.Repeat("é", 512),
	} {
		if _, err := store.Put(t.Context(), key, strings.NewReader(key), storage.PutOptions{}); err != nil {
			t.Errorf("put %q: %v", key, err)
			continue
		}
		r, err := store.Get(t.Context(), key, storage.GetOptions{})
		if err != nil {
			t.Errorf("get %q: %v", key, err)
			continue
		}
		if value, err := r.Bytes(); err != nil || string(value) != key {
			t.Errorf("%q came back as %q, %v", key, value, err)
		}
		page, err := store.List(t.Context(), storage.ListOptions{Prefix: key, Limit: 1})
		if err != nil || len(page.Objects) != 1 || page.Objects[0].Key != key {
			t.Errorf("the listing of %q: %v, %v", key, page.Objects, err)
		}
	}
}

// failing fails every operation with err.
type failing struct {
	memory.Backend
	err error
}

func (f *failing) Stat(context.Context, string, storage.StatOptions) (storage.Object, error) {
	return storage.Object{}, f.err
}

func (f *failing) Put(_ context.Context, _ string, body io.Reader, _ storage.PutOptions) (storage.PutResult, error) {
	_, _ = io.Copy(io.Discard, body)
	return storage.PutResult{}, f.err
}

func TestErrorsSurvive(t *testing.T) {
	for code := storage.CodeInternal; code <= storage.CodePermissionDenied; code++ {
		t.Run(code.String(), func(t *testing.T) {
			sent := &storage.Error{Code: code, Backend: "disk", Plugin: "local", OutcomeUnknown: true, Err: errors.New("the reason")}
			if code == storage.CodeFailedPrecondition {
				sent.Current = "e7"
			}
			if code == storage.CodeThrottled || code == storage.CodeUnavailable {
				sent.RetryAfter = 3 * time.Second
			}
			store := open(t, &failing{err: sent}).Store()
			_, err := store.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
			var got *storage.Error
			if !errors.As(err, &got) {
				t.Fatalf("%v", err)
			}
			want := storage.Error{
				Op: "put", Key: "k", Code: code, Temporary: code.Transient(), Backend: "disk", Plugin: "local",
				OutcomeUnknown: true, Current: sent.Current, RetryAfter: sent.RetryAfter,
			}
			if code == storage.CodeCanceled { // the host gave up, and says when to come again
				want.RetryAfter = time.Second
			}
			if got.Err == nil || got.Err.Error() != "the reason" {
				t.Errorf("the cause is %v", got.Err)
			}
			flat := *got
			flat.Err = nil
			if flat != want {
				t.Errorf("got  %+v\nwant %+v", flat, want)
			}
			// HEAD has no body: the code comes in the header.
			if _, err := store.Stat(t.Context(), "k", storage.StatOptions{}); storage.CodeOf(err) != code {
				t.Errorf("stat: %v", err)
			}
		})
	}
}

func TestValuesStream(t *testing.T) {
	store := open(t, new(memory.Backend)).Store()
	value := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	for name, body := range map[string]io.Reader{
		"length known":   bytes.NewReader(value),
		"length unknown": io.MultiReader(bytes.NewReader(value)),
	} {
		res, err := store.Put(t.Context(), name, body, storage.PutOptions{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if res.Object.Size != int64(len(value)) || res.Created != storage.Yes {
			t.Errorf("%s: %+v", name, res)
		}
		r, err := store.Get(t.Context(), name, storage.GetOptions{Range: storage.RangeOf(5, 1<<20)})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := r.Bytes(); err != nil || !bytes.Equal(got, value[5:5+1<<20]) || r.Object.Size != int64(len(value)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestAFailingBodyStoresNothing(t *testing.T) {
	store := open(t, new(memory.Backend)).Store()
	broken := errors.New("the body broke off")
	body := io.MultiReader(strings.NewReader("some bytes"), readerFunc(func([]byte) (int, error) { return 0, broken }))
	_, err := store.Put(t.Context(), "k", body, storage.PutOptions{})
	var e *storage.Error
	if !errors.Is(err, broken) || !errors.As(err, &e) || e.OutcomeUnknown {
		t.Errorf("put: %v", err)
	}
	if _, err := store.Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("stat: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestTheBodyIsNotReadAfterPutReturned(t *testing.T) {
	addr := serve(t, &host{store: storage.Complete(new(memory.Backend))}, api.Options{MaxObjectSize: 10})
	c := connect(t, addr, client.Options{})
	for range 50 {
		var returned atomic.Bool
		endless := readerFunc(func(p []byte) (int, error) {
			if returned.Load() {
				t.Error("the body was read after Put returned")
			}
			return len(p), nil
		})
		_, err := c.Put(t.Context(), "k", endless, storage.PutOptions{})
		returned.Store(true)
		if err == nil {
			t.Fatal("an endless value was stored")
		}
	}
}

func TestABodyThatHangsDoesNotHoldPut(t *testing.T) {
	c := open(t, new(memory.Backend))
	hung, _ := io.Pipe()
	defer hung.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := c.Put(ctx, "k", hung, storage.PutOptions{})
	if !errors.Is(err, storage.ErrDeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestOutcomesOfLostAnswers(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = refused.Close()
	lost := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}))
	defer lost.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		http.Error(w, "the gateway is sorry", http.StatusBadGateway)
	}))
	defer proxy.Close()
	for name, c := range map[string]struct {
		addr    string
		unknown bool
	}{
		"no connection":      {refused.Addr().String(), false},
		"lost after sending": {lost.URL, true},
		"answer of a proxy":  {proxy.URL, true},
	} {
		store := connect(t, c.addr, client.Options{})
		_, put := store.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
		_, del := store.Delete(t.Context(), "k", storage.DeleteOptions{})
		_, stat := store.Stat(t.Context(), "k", storage.StatOptions{})
		for op, err := range map[string]error{"put": put, "delete": del, "stat": stat} {
			var e *storage.Error
			if !errors.As(err, &e) || e.Code != storage.CodeUnavailable || e.OutcomeUnknown != (c.unknown && op != "stat") {
				t.Errorf("%s, %s: %+v", name, op, err)
			}
		}
	}
}

func TestAValueThatBreaksOffIsAnError(t *testing.T) {
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range map[string]string{
			"ETag": `"e"`, "Content-Length": "10", "Stowage-CRC32C": "00000000", "Stowage-Modified": "2026-01-02T03:04:05Z",
		} {
			w.Header().Set(name, value)
		}
		_, _ = io.WriteString(w, "01234")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer broken.Close()
	r, err := connect(t, broken.URL, client.Options{}).Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Bytes(); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("reading: %v", err)
	}
}

func TestDamageOnTheWayIsDataLoss(t *testing.T) {
	damaged := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for name, value := range map[string]string{
			"ETag": `"e"`, "Stowage-CRC32C": "00000001", "Stowage-Modified": "2026-01-02T03:04:05Z",
		} {
			w.Header().Set(name, value)
		}
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "damaged")
		}
	}))
	defer damaged.Close()
	c := connect(t, damaged.URL, client.Options{})
	r, err := c.Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Bytes(); !errors.Is(err, storage.ErrDataLoss) {
		t.Errorf("get: %v", err)
	}
	if _, err := c.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{}); !errors.Is(err, storage.ErrDataLoss) {
		t.Errorf("put: %v", err)
	}
}

func TestAnswersOfAnotherProgram(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "<html>")
	}))
	defer other.Close()
	c := connect(t, other.URL, client.Options{})
	_, get := c.Get(t.Context(), "k", storage.GetOptions{})
	_, ranged := c.Get(t.Context(), "k", storage.GetOptions{Range: storage.RangeFrom(1)})
	_, stat := c.Stat(t.Context(), "k", storage.StatOptions{})
	_, put := c.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
	_, list := c.List(t.Context(), storage.ListOptions{})
	_, status := c.Status(t.Context())
	for op, err := range map[string]error{
		"get": get, "ranged get": ranged, "stat": stat, "put": put, "list": list, "status": status, "alive": c.Alive(t.Context()),
	} {
		if !errors.Is(err, storage.ErrInternal) || !strings.Contains(err.Error(), "not one of a Stowage host") {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestStatusAndHealth(t *testing.T) {
	h := &host{store: storage.Complete(new(memory.Backend)), ready: errors.New("the disk is missing")}
	c := connect(t, serve(t, h, api.Options{}), client.Options{})
	if doc, err := c.Status(t.Context()); err != nil || string(doc) != `{"backends":1}` {
		t.Errorf("status: %s, %v", doc, err)
	}
	if err := c.Alive(t.Context()); err != nil {
		t.Errorf("alive: %v", err)
	}
	if err := c.CheckHealth(t.Context()); !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "the disk is missing") {
		t.Errorf("health: %v", err)
	}
}

func TestSessionsTravel(t *testing.T) {
	store := open(t, &observing{}).Store()
	var s storage.Session
	if _, err := store.Stat(t.Context(), "k", storage.StatOptions{Session: &s}); !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	if got := s.Least("k"); got != 1 {
		t.Errorf("after one stat the session asks for version %d of k, want 1", got)
	}
	_, _ = store.Stat(t.Context(), "k", storage.StatOptions{Session: &s})
	if got := s.Least("k"); got != 2 {
		t.Errorf("after two stats the session asks for version %d of k, want 2", got)
	}
}

// observing raises what the session has seen with every Stat.
type observing struct{ memory.Backend }

func (*observing) Stat(_ context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	opts.Session.Observe(key, opts.Session.Least(key)+1)
	return storage.Object{}, storage.ErrNotFound
}

func TestTokens(t *testing.T) {
	h := &host{store: storage.Complete(new(memory.Backend))}
	addr := serve(t, h, api.Options{Tokens: []string{"secret"}})
	if _, err := connect(t, addr, client.Options{Token: "secret"}).List(t.Context(), storage.ListOptions{}); err != nil {
		t.Errorf("with the token: %v", err)
	}
	if _, err := connect(t, addr, client.Options{Token: "guess"}).List(t.Context(), storage.ListOptions{}); !errors.Is(err, storage.ErrUnauthenticated) {
		t.Errorf("with another: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:7465": true, "localhost:7465": true, "http://127.0.0.1:7465": true, "https://stowage.example/base/": true,
		"http://stowage.example": false, "": false, "ftp://a": false, "http://u:p@localhost": false, "https://a?b": false, ":7465": false,
	} {
		if c, err := client.New(addr, client.Options{Token: "t"}); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		} else if err == nil {
			_ = c.Close(t.Context())
		}
	}
}

func TestAfterClose(t *testing.T) {
	c := open(t, new(memory.Backend))
	for range 2 {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("stat: %v", err)
	}
}
