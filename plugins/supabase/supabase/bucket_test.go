package supabase

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestABucketThatIsMissingOrPublicIsRefused(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	project.MakeBucket("open", true)
	for bucket, want := range map[string]string{"missing": "has no bucket", "open": "private"} {
		_, err := tryOpen(t, withBucket(config(project), bucket), "")
		diags := diagnosticsOf(t, err)
		if got := schema.FormatPath(diags[0].Path); got != "bucket" || !strings.Contains(diags[0].Detail, want) {
			t.Errorf("%s: at %s: %s", bucket, got, diags[0].Detail)
		}
	}
	project.MakeBucket("good", false)
	c := withBucket(config(project), "good")
	c.SpoolDir = "/nowhere"
	_, err := tryOpen(t, c, "")
	if diags := diagnosticsOf(t, err); schema.FormatPath(diags[0].Path) != "spool_dir" {
		t.Errorf("no room to spool: %v", diags)
	}
}

func TestValuesOutliveAChangeOfTheBucket(t *testing.T) {
	project, b := openLarge(t, func(c *Config) { c.ObjectGrace = 0 }, supabasetest.ProjectOptions{})
	project.MakeBucket("second", false)
	value := random(1, 2<<20)
	put(t, b, "k", value, storage.PutOptions{})
	put(t, b, "lost", value, storage.PutOptions{})
	for _, bucket := range []string{"second", ""} {
		c := *b.config
		c.Bucket = bucket
		other := openWith(t, &c, "")
		if got := get(t, other, "k"); got != value {
			t.Errorf("with the bucket %q other bytes come", bucket)
		}
		if bucket == "" {
			if _, err := other.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			other.sweep(t.Context(), false)
		}
	}
	page, _, _, err := b.bucket.list(t.Context(), b.bucket.folder("default"), "")
	if err != nil || len(page) != 1 {
		t.Errorf("%d objects are left in the first bucket, %v", len(page), err)
	}
	exec(t, project, `update public.stowage set object = replace(object, 'large/', 'nowhere/')`)
	if _, err := b.Get(t.Context(), "lost", storage.GetOptions{}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a bucket that is not there: %v", err)
	}
}

func TestAnAnswerWithAnotherRangeIsNoValue(t *testing.T) {
	wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "whole") {
			fmt.Fprint(w, "0123456789")
			return
		}
		w.Header().Set("Content-Range", "bytes 0-9/100")
		w.WriteHeader(http.StatusPartialContent)
		fmt.Fprint(w, "0123456789")
	}))
	defer wrong.Close()
	c := &caller{base: wrong.URL, streaming: wrong.Client()}
	for _, object := range []string{"b/part", "b/whole"} {
		if resp, f := c.openObject(t.Context(), object, 10, 20, 100); f == nil || f.code != storage.CodeInternal {
			t.Errorf("%s: %v, %v", object, resp, f)
		}
	}
}

func TestAReadOfAValueThatIsReplacedAgainAndAgainEnds(t *testing.T) {
	_, b := openLarge(t, nil, supabasetest.ProjectOptions{})
	version := 0
	b.reads = newCoalescer(b.gate, func(context.Context, []readItem) ([]readResult, error) {
		version++
		return []readResult{{record: record{Version: fmt.Sprint(version), Size: 10}, Object: "large/gone", Length: 10}}, nil
	})
	if r, err := b.Get(t.Context(), "k", storage.GetOptions{}); r != nil || !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestAnObjectThatWasRemovedIsNeverPointedTo(t *testing.T) {
	project, b := openLarge(t, func(c *Config) { c.ObjectGrace, c.OrphanGrace = 0, time.Nanosecond }, supabasetest.ProjectOptions{})
	put(t, b, "k", "old", storage.PutOptions{})
	value := random(1, 2<<20)
	stall := project.Inject(supabasetest.Fault{Kind: supabasetest.Stall, Match: "/rpc/stowage_put"})
	done := make(chan error, 1)
	go func() {
		_, err := b.Put(t.Context(), "k", strings.NewReader(value), storage.PutOptions{})
		done <- err
	}()
	if err := stall.WaitHit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for objects := 1; objects > 0; { // until the Date of the answer is past its creation
		b.sweep(t.Context(), true)
		page, _, _, err := b.bucket.list(t.Context(), b.bucket.folder("default"), "")
		if err != nil {
			t.Fatal(err)
		}
		objects = len(page)
	}
	stall.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := get(t, b, "k"); got != value {
		t.Error("other bytes are stored")
	}
	exec(t, project, `update public.stowage_garbage set gone_at = gone_at - interval '2 hours'`)
	b.sweep(t.Context(), false)
	var kept int
	if query(t, project, &kept, `select count(*) from public.stowage_garbage`); kept != 0 {
		t.Errorf("%d objects are remembered for ever", kept)
	}
}

func TestABatchOfLargeValuesLeavesNoObjectOfAPutThatFailed(t *testing.T) {
	_, b := openLarge(t, func(c *Config) { c.ObjectGrace, c.InlineLimit = 0, 10 }, supabasetest.ProjectOptions{})
	put(t, b, "there", "v", storage.PutOptions{})
	large := []byte(strings.Repeat("large", 10))
	for _, atomic := range []bool{false, true} {
		results, err := b.Batch(t.Context(), []storage.BatchOp{
			{Kind: storage.BatchPut, Key: "there", Value: large, Put: storage.PutOptions{If: storage.IfAbsent()}},
			{Kind: storage.BatchPut, Key: "new", Value: large},
			{Kind: storage.BatchGet, Key: "new"},
		}, storage.BatchOptions{Atomic: atomic})
		if err != nil || !errors.Is(results[0].Err, storage.ErrFailedPrecondition) {
			t.Fatal(results, err)
		}
		if atomic != errors.Is(results[1].Err, storage.ErrAborted) || !atomic && string(results[2].Value) != string(large) {
			t.Errorf("atomic %v: %+v", atomic, results)
		}
	}
	for objects := 0; objects != 1; { // what is given up beside the operation
		b.sweep(t.Context(), false)
		page, _, _, err := b.bucket.list(t.Context(), b.bucket.folder("default"), "")
		if err != nil {
			t.Fatal(err)
		}
		if objects = len(page); objects == 0 {
			t.Fatal("the object in use is gone")
		}
	}
	results, err := b.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchGet, Key: "new"}}, storage.BatchOptions{})
	if err != nil || string(results[0].Value) != string(large) {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestABatchThatReadsAnObjectThatIsGoneIsDataLoss(t *testing.T) {
	project, b := openLarge(t, nil, supabasetest.ProjectOptions{})
	put(t, b, "k", random(1, 2<<20), storage.PutOptions{})
	exec(t, project, `update public.stowage set object = object || 'x'`)
	results, err := b.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchGet, Key: "k"}}, storage.BatchOptions{})
	if err != nil || !errors.Is(results[0].Err, storage.ErrDataLoss) {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestDownloadsAreBounded(t *testing.T) {
	project, b := openLarge(t, func(c *Config) { c.MaxConnections = 2 }, supabasetest.ProjectOptions{})
	value := random(1, 2<<20)
	put(t, b, "k", value, storage.PutOptions{})
	var readers []*storage.Reader
	for range 2 {
		r, err := b.Get(t.Context(), "k", storage.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
	}
	project.ResetRequests()
	done := make(chan error, 1)
	go func() {
		r, err := b.Get(t.Context(), "k", storage.GetOptions{})
		if err == nil {
			err = r.Close()
		}
		done <- err
	}()
	put(t, b, "small", "does not wait", storage.PutOptions{})
	if n := project.Count("GET /storage/v1/object/"); n != 0 {
		t.Errorf("%d more downloads are under way", n)
	}
	for _, r := range readers {
		if got, err := r.Bytes(); err != nil || string(got) != value {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
