package routing

import (
	"context"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestPreferCacheRefusesWhatItCannotPromise(t *testing.T) {
	good := PreferCache{Cache: "backend.mem", Source: "backend.disk"}
	kinds := map[string][]string{
		"policy.cached":  {"prefer_cache"},
		"policy.deep":    {"always_use", "prefer_cache"},
		"policy.safe":    {"redundant"},
		"policy.twofold": {"prefer_cache"},
	}
	cases := []struct {
		name   string
		change func(o *PreferCache)
		path   string // "" = accepted
		reason string
	}{
		{"as it should be", func(*PreferCache) {}, "", ""},
		{"through", func(o *PreferCache) { o.Write = "through" }, "", ""},
		{"over a policy", func(o *PreferCache) { o.Source = "policy.safe" }, "", ""},
		{"over another cache", func(o *PreferCache) { o.Source = "policy.cached" }, "", ""},
		{"its own cache", func(o *PreferCache) { o.Cache = o.Source }, "cache", "overwrite"},
		{"a cache that is cached", func(o *PreferCache) { o.Cache = "policy.cached" }, "cache", "Name the backend"},
		{"a cache that is cached below", func(o *PreferCache) { o.Cache = "policy.deep" }, "cache", "Name the backend"},
		{"write back", func(o *PreferCache) { o.Write = "back" }, "write", "only the cache has it"},
		{"an unknown way to write", func(o *PreferCache) { o.Write = "around" }, "write", `"around" is not known`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := good
			c.change(&o)
			diags := o.Check(func(ref string) []string { return kinds[ref] })
			if c.path == "" {
				if len(diags) > 0 {
					t.Errorf("refused: %v", diags)
				}
				return
			}
			if len(diags) != 1 || schema.FormatPath(diags[0].Path) != c.path || !strings.Contains(diags[0].Detail, c.reason) {
				t.Errorf("complaints: %v", diags)
			}
			if strings.HasPrefix(o.Cache, "policy.") {
				return // Build cannot know
			}
			_, err := o.Build("p", Env{}, Children(Child{Name: "backend.mem"}, Child{Name: "backend.disk"}))
			if e := wantCode(t, err, storage.CodeInvalidArgument); !strings.Contains(e.Error(), c.reason) {
				t.Errorf("build: %v", err)
			}
		})
	}
	for _, missing := range []PreferCache{{Cache: "backend.none", Source: "backend.disk"}, {Cache: "backend.mem", Source: "backend.none"}} {
		_, err := missing.Build("p", Env{}, Children(Child{Name: "backend.mem"}, Child{Name: "backend.disk"}))
		wantCode(t, err, storage.CodeInvalidArgument)
	}
}

// A field left at zero means the default that the configuration names.
func TestPreferCacheHasOneSetOfDefaults(t *testing.T) {
	described, err := schema.Reflect(&PreferCache{})
	if err != nil {
		t.Fatal(err)
	}
	value, diags := described.Validate(cty.ObjectVal(map[string]cty.Value{"cache": cty.StringVal("backend.mem"), "source": cty.StringVal("backend.disk")}))
	var configured PreferCache
	if diags = append(diags, schema.Decode(value, &configured)...); len(diags) > 0 {
		t.Fatal(diags)
	}
	var built []*preferCache
	for _, o := range []PreferCache{configured, {Cache: "backend.mem", Source: "backend.disk"}} {
		s := memory(t)
		p := build(t, o, Env{}, Child{Name: "backend.mem", Store: s}, Child{Name: "backend.disk", Store: s}).(*preferCache)
		built = append(built, &preferCache{
			ttl: p.ttl, negativeTTL: p.negativeTTL, maxEntry: p.maxEntry, through: p.through,
			revalidate: p.revalidate, staleOnError: p.staleOnError, timeout: p.timeout,
		})
	}
	if !reflect.DeepEqual(built[0], built[1]) {
		t.Errorf("configured: %+v, by hand: %+v", built[0], built[1])
	}
}

func TestCacheStampsSurvive(t *testing.T) {
	for _, s := range []cacheStamp{
		{epoch: "E", seq: 1, fresh: 2, modTime: 3, etag: "e"},
		{epoch: "EPOCH", seq: math.MaxUint64, fresh: math.MaxInt64, modTime: time.Now().UnixNano(), expires: math.MaxInt64, etag: "an.etag.with.dots"},
		{epoch: "E", etag: strings.Repeat("e", storage.MaxETagBytes)},
	} {
		got, ok := parseCacheStamp(s.String())
		if !ok || got != s {
			t.Errorf("%+v became %+v, %v", s, got, ok)
		}
	}
	for _, text := range []string{"", "E", "E.1.2.3.4", "E.1.2.3.4.", ".1.2.3.4.e", "E.1.2.3.x!.e", "E.1..3.4.e", "E.1.2.3.-4.e", "E.1.2.3.99999999999999.e", "E.1.2.3.4e"} {
		if s, ok := parseCacheStamp(text); ok {
			t.Errorf("%q was read as %+v", text, s)
		}
	}
}

func TestWhatAStampCannotSayIsNotCached(t *testing.T) {
	now := time.Now()
	for name, o := range map[string]storage.Object{
		"an expiry far away": {ModTime: now, ExpiresAt: now.AddDate(300, 0, 0)},
		"a time of long ago": {ModTime: now.AddDate(-200, 0, 0)},
	} {
		if s := (&preferCache{}).stampFor(o, 1, now.UnixNano()); s.exact(o) {
			t.Errorf("%s is said to survive", name)
		}
	}
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.WithValue(t.Context(), reflect.TypeFor[int](), "v"))
		p := newPatience(parent, time.Now(), time.Second)
		if d, ok := p.Deadline(); !ok || !d.Equal(time.Now().Add(time.Second)) {
			t.Errorf("its deadline is %v, %v", d, ok)
		}
		if err := p.Err(); err != nil {
			t.Error(err)
		}
		if p.timed.Load() != nil {
			t.Error("it has a timer though nobody waits")
		}
		child, cancelChild := context.WithCancel(p)
		defer cancelChild()
		if child.Value(reflect.TypeFor[int]()) != "v" {
			t.Error("a value of its parent is lost")
		}
		began := time.Now()
		<-child.Done()
		if took := time.Since(began); took != time.Second || child.Err() != context.DeadlineExceeded || p.Err() != context.DeadlineExceeded { //nolint:errorlint // these very errors
			t.Errorf("after %v: %v and %v", took, child.Err(), p.Err())
		}
		p.stop()

		p = newPatience(parent, time.Now(), time.Second)
		cancel()
		if p.Err() != context.Canceled { //nolint:errorlint // this very error
			t.Errorf("after the end of its parent: %v", p.Err())
		}
		<-p.Done()
		p.stop()

		p = newPatience(t.Context(), time.Now(), time.Second)
		time.Sleep(time.Second)
		if p.Err() != context.DeadlineExceeded { //nolint:errorlint // this very error
			t.Errorf("after its time, which nobody waited for: %v", p.Err())
		}
		p = newPatience(t.Context(), time.Now(), time.Hour)
		done := p.Done()
		p.stop()
		<-done
	})
}
