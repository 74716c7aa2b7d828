package supabase

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestRequestsCarryTheKeysAsTheProjectWantsThem(t *testing.T) {
	legacy := token(`{"role":"service_role"}`)
	for name, test := range map[string]struct {
		config         Config
		apikey, bearer string
	}{
		"secret key":           {Config{SecretKey: "sb_secret_x"}, "sb_secret_x", ""},
		"legacy key":           {Config{ServiceRoleKey: legacy}, legacy, "Bearer " + legacy},
		"legacy key behind it": {Config{ServiceRoleKey: legacy, AnonKey: "sb_publishable_x"}, "sb_publishable_x", "Bearer " + legacy},
		"publishable key":      {Config{AnonKey: "sb_publishable_x"}, "sb_publishable_x", ""},
		"anon key":             {Config{AnonKey: legacy}, legacy, "Bearer " + legacy},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var seen []http.Header
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, r.Header)
				if len(seen) == 1 {
					http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusTemporaryRedirect)
				}
			}))
			defer server.Close()
			c := &test.config
			c.URL, c.Schema, c.Table, c.MaxConnections, c.Timeout = server.URL, "apart", "t", 1, 10*time.Second
			c.Headers = map[string]string{"X-Region": "eu"}
			calls, err := newCaller(c, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer calls.close()
			if _, err := calls.call(t.Context(), "info", struct{}{}, new(any)); storage.CodeOf(err) != storage.CodeInternal {
				t.Errorf("a redirect: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(seen) != 1 {
				t.Fatalf("%d requests were made", len(seen))
			}
			h := seen[0]
			for header, want := range map[string]string{
				"Apikey": test.apikey, "Authorization": test.bearer, "User-Agent": userAgent, "X-Region": "eu",
				"Content-Profile": "apart", "Accept-Encoding": "",
			} {
				if got := h.Get(header); got != want {
					t.Errorf("%s is %q, expected %q", header, got, want)
				}
			}
		})
	}
}

func TestConnectionsSpeakHTTP2AndAreKept(t *testing.T) {
	project := supabasetest.Open(t, shared.get(t), supabasetest.ProjectOptions{TLS: true})
	migrate(t, project, SchemaOptions{})
	c := config(project)
	c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(c.CAFile, project.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	b := openWith(t, c, "")
	var mu sync.Mutex
	made := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		mu.Lock()
		defer mu.Unlock()
		if !info.Reused {
			made++
		}
	}})
	get := func(ctx context.Context) {
		if _, err := b.Stat(ctx, "k", storage.StatOptions{}); storage.CodeOf(err) != storage.CodeNotFound {
			t.Error(err)
		}
	}
	var work sync.WaitGroup
	for range 32 {
		work.Go(func() { get(ctx) })
	}
	work.Wait()
	mu.Lock()
	defer mu.Unlock()
	if made != 0 {
		t.Errorf("%d more connections were made", made)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, project.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.caller.streaming.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Errorf("the connection speaks %s", resp.Proto)
	}
}
