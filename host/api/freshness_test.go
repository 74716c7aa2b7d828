package api

import (
	"context"
	"io"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/api/internal/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// remembering notes version 7 of whatever is written or read, in the sessions it
// is given, and can give nothing but causal consistency.
type remembering struct {
	memory.Backend
	least storage.Version // that the last operation had to see
}

func (b *remembering) Capabilities() storage.Capabilities {
	caps := b.Backend.Capabilities()
	caps.Consistency = storage.ConsistencyLevels(storage.ConsistencyCausal)
	return caps
}

func (b *remembering) see(key string, s *storage.Session) {
	b.least = s.Least(key)
	s.Observe(key, 7)
}

func (b *remembering) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	b.see(key, opts.Session)
	return b.Backend.Put(ctx, key, body, opts)
}

func (b *remembering) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	b.see(key, opts.Session)
	return b.Backend.Get(ctx, key, opts)
}

func (b *remembering) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	b.see(key, opts.Session)
	return b.Backend.Stat(ctx, key, opts)
}

func (b *remembering) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	b.see(key, opts.Session)
	return b.Backend.Delete(ctx, key, opts)
}

func (b *remembering) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	b.see("", opts.Session)
	return b.Backend.List(ctx, opts)
}

func TestASessionGoesInAndOutOfEveryOperation(t *testing.T) {
	b := new(remembering)
	f := start(t, b, Options{})
	var seen storage.Session
	seen.Observe("a", 5)
	seen.Observe("", 5)
	for _, c := range [][2]string{
		{"PUT", "/v1/objects/a"},
		{"GET", "/v1/objects/a"},
		{"HEAD", "/v1/objects/a"},
		{"GET", "/v1/objects"},
		{"DELETE", "/v1/objects/a"},
		{"GET", "/v1/objects/a"}, // also with an error
	} {
		a := f.do(c[0], c[1], "", "Stowage-Session: "+seen.Token(), "Stowage-Consistency: causal")
		var answered storage.Session
		if err := answered.Merge(a.Header.Get("Stowage-Session")); err != nil {
			t.Fatal(err)
		}
		if b.least != 5 || max(answered.Least("a"), answered.Least("")) != 7 {
			t.Errorf("%s %s had to see version %d, and the session came back with %d", c[0], c[1], b.least, answered.Least("a"))
		}
	}
}

func TestAConsistencyThatCannotBeGivenIs501(t *testing.T) {
	f := start(t, new(remembering), Options{})
	f.put("/v1/objects/a", "1")
	for _, c := range [][2]string{
		{"PUT", "/v1/objects/a"}, {"GET", "/v1/objects/a"}, {"HEAD", "/v1/objects/a"}, {"GET", "/v1/objects"}, {"DELETE", "/v1/objects/a"},
	} {
		if a := f.do(c[0], c[1], "", "Stowage-Consistency: Strong"); a.StatusCode != 501 || a.Header.Get("Stowage-Code") != "Unimplemented" {
			t.Errorf("%s %s: %s", c[0], c[1], a.Status)
		}
	}
	if a := f.do("GET", "/v1/objects/a", "", "Stowage-Consistency: Causal"); a.StatusCode != 200 {
		t.Errorf("causal: %s", a.Status)
	}
}
