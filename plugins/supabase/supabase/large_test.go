package supabase

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// random returns n bytes that no other seed gives.
func random(seed uint64, n int) string {
	r := rand.NewChaCha8([32]byte{byte(seed)})
	p := make([]byte, n)
	_, _ = r.Read(p)
	return string(p)
}

func openLarge(t *testing.T, change func(c *Config), options supabasetest.ProjectOptions) (*supabasetest.Project, *backend) {
	t.Helper()
	project := newProject(t, "large", options)
	c := withBucket(config(project), "large")
	if change != nil {
		change(c)
	}
	return project, openWith(t, c, "")
}

func TestABrokenUploadGoesOnWhereItWas(t *testing.T) {
	project, b := openLarge(t, nil, supabasetest.ProjectOptions{Resumable: supabasetest.ResumableOptions{WrongLocation: true}})
	value := random(1, 15<<20)
	for name, fault := range map[string]supabasetest.Fault{
		"cut in the middle of a part":  {Kind: supabasetest.CutRequest, Match: "PATCH /storage/v1/upload/resumable", Bytes: 4 << 20, Skip: 1},
		"cut before the first part":    {Kind: supabasetest.CutBefore, Match: "PATCH /storage/v1/upload/resumable"},
		"answer of a part lost":        {Kind: supabasetest.AnswerLost, Match: "PATCH /storage/v1/upload/resumable", Skip: 1},
		"answer of the last part lost": {Kind: supabasetest.AnswerLost, Match: "PATCH /storage/v1/upload/resumable", Skip: 2},
		"answer of the creation lost":  {Kind: supabasetest.AnswerLost, Match: "POST /storage/v1/upload/resumable"},
		"544":                          supabasetest.StorageTimeout("PATCH /storage/v1/upload/resumable"),
		"429":                          supabasetest.SlowDown("PATCH /storage/v1/upload/resumable"),
		"503":                          supabasetest.ServiceUnavailable("POST /storage/v1/upload/resumable", time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			project.ResetRequests()
			i := project.Inject(fault)
			res := put(t, b, name, value, storage.PutOptions{})
			if i.Hits() != 1 || res.Object.Size != int64(len(value)) || res.Created != storage.Yes {
				t.Errorf("after %d faults: %+v", i.Hits(), res)
			}
			if got := get(t, b, name); got != value {
				t.Error("other bytes are stored")
			}
			if parts := project.Count("PATCH /storage/v1/upload/resumable"); parts > 5 {
				t.Errorf("it took %d requests to upload 3 parts: it began anew", parts)
			}
			if got := changesOf(t, project, name); got != 1 {
				t.Errorf("the key was changed %d times", got)
			}
		})
	}
}

func TestAnUploadInOnePieceIsRepeated(t *testing.T) {
	project, b := openLarge(t, nil, supabasetest.ProjectOptions{})
	value := random(2, 3<<20)
	for name, fault := range map[string]supabasetest.Fault{
		"cut":         {Kind: supabasetest.CutRequest, Match: "POST /storage/v1/object/large/", Bytes: 1 << 20},
		"answer lost": {Kind: supabasetest.AnswerLost, Match: "POST /storage/v1/object/large/"},
		"544":         supabasetest.StorageTimeout("POST /storage/v1/object/large/"),
		"429":         supabasetest.TooManyRequests("POST /storage/v1/object/large/", time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			i := project.Inject(fault)
			put(t, b, name, value, storage.PutOptions{})
			if got := get(t, b, name); got != value || i.Hits() != 1 {
				t.Errorf("after %d faults other bytes are stored", i.Hits())
			}
		})
	}
}

func TestABrokenDownloadGoesOnWhereItWas(t *testing.T) {
	project, b := openLarge(t, func(c *Config) { c.Timeout = time.Second }, supabasetest.ProjectOptions{})
	value := random(3, 9<<20)
	put(t, b, "k", value, storage.PutOptions{})
	for name, fault := range map[string]supabasetest.Fault{
		"cut":          {Kind: supabasetest.CutAnswer, Match: "GET /storage/v1/object/", Bytes: 5 << 20, Times: 2},
		"before":       {Kind: supabasetest.CutBefore, Match: "GET /storage/v1/object/"},
		"503":          supabasetest.ServiceUnavailable("GET /storage/v1/object/", time.Second),
		"stands still": {Kind: supabasetest.Stall, Match: "GET /storage/v1/object/"},
	} {
		t.Run(name, func(t *testing.T) {
			i := project.Inject(fault)
			defer i.Release()
			if got := get(t, b, "k"); got != value || i.Hits() == 0 {
				t.Errorf("after %d faults other bytes came", i.Hits())
			}
			r, err := b.Get(t.Context(), "k", storage.GetOptions{Range: storage.RangeOf(7<<20, 100)})
			if err != nil {
				t.Fatal(err)
			}
			if part, err := r.Bytes(); err != nil || string(part) != value[7<<20:7<<20+100] {
				t.Errorf("the range: %v", err)
			}
		})
	}
	t.Run("for good", func(t *testing.T) {
		i := project.Inject(supabasetest.Fault{Kind: supabasetest.CutAnswer, Match: "GET /storage/v1/object/", Bytes: 0, Times: -1, Skip: 1})
		defer i.Remove()
		first := project.Inject(supabasetest.Fault{Kind: supabasetest.CutAnswer, Match: "GET /storage/v1/object/", Bytes: 1 << 20})
		defer first.Remove()
		r, err := b.Get(t.Context(), "k", storage.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Bytes(); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

func TestAPutThatFailsLeavesTheOldValueAndNoObject(t *testing.T) {
	project, b := openLarge(t, func(c *Config) { c.ObjectGrace = 0 }, supabasetest.ProjectOptions{})
	old := random(4, 2<<20)
	first := put(t, b, "k", old, storage.PutOptions{})
	// What was uploaded is given up beside the operation.
	oneIsLeft := func(name string) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second)
		for objects := 0; objects != 1; {
			b.sweep(t.Context(), false)
			page, _, _, err := b.bucket.list(t.Context(), b.bucket.folder(b.config.Namespace), "")
			if err != nil {
				t.Fatal(err)
			}
			if objects = len(page); time.Now().After(deadline) {
				t.Fatalf("%s: there are %d objects", name, objects)
			}
		}
	}
	fail := func(name string, body io.Reader, opts storage.PutOptions, want error) {
		t.Helper()
		_, err := b.Put(t.Context(), "k", body, opts)
		if !errors.Is(err, want) || storage.AsError(err).OutcomeUnknown {
			t.Errorf("%s: %v", name, err)
		}
		if got := get(t, b, "k"); got != old {
			t.Errorf("%s: the old value is gone", name)
		}
		oneIsLeft(name)
	}
	value := random(5, 8<<20)
	broken := errors.New("the caller's body broke")
	fail("broken body", io.MultiReader(strings.NewReader(value), errReader{broken}), storage.PutOptions{}, broken)
	fail("condition known to fail", strings.NewReader(value), storage.PutOptions{If: storage.IfAbsent()}, storage.ErrFailedPrecondition)

	// A condition that fails only after the upload.
	i := project.Inject(supabasetest.Fault{Kind: supabasetest.Stall, Match: "/rpc/stowage_put"})
	failed := make(chan error, 1)
	go func() {
		_, err := b.Put(t.Context(), "k", strings.NewReader(value), storage.PutOptions{If: storage.IfETag(first.Object.ETag)})
		failed <- err
	}()
	if err := i.WaitHit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	old = random(6, 2<<20)
	put(t, b, "k", old, storage.PutOptions{})
	i.Release()
	if err := <-failed; !errors.Is(err, storage.ErrFailedPrecondition) {
		t.Errorf("got %v", err)
	}
	if got := get(t, b, "k"); got != old {
		t.Error("the value is not that of the other writer")
	}
	oneIsLeft("condition that failed late")
	project.Inject(supabasetest.Fault{
		Kind: supabasetest.Answer, Match: "PATCH /storage/v1/upload/resumable", Status: 413,
		Body: `{"statusCode":"413","error":"Payload too large","message":"The object exceeded the maximum allowed size"}`,
	})
	fail("too large for the project", strings.NewReader(value), storage.PutOptions{}, storage.ErrTooLarge)
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestReplacedDeletedAndOrphanedObjectsAreRemovedAfterTheirGrace(t *testing.T) {
	project, b := openLarge(t, func(c *Config) {
		c.ObjectGrace, c.OrphanGrace = 0, time.Second
	}, supabasetest.ProjectOptions{})
	other := func() *backend { // a namespace of its own in the same table and bucket
		c := *b.config
		c.Namespace = "other"
		return openWith(t, &c, "")
	}()
	value := random(7, 2<<20)
	put(t, b, "replaced", value, storage.PutOptions{})
	put(t, b, "replaced", "small", storage.PutOptions{})
	put(t, b, "deleted", value, storage.PutOptions{})
	if _, err := b.Delete(t.Context(), "deleted", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, b, "expired", value, storage.PutOptions{TTL: time.Millisecond})
	put(t, b, "kept", value, storage.PutOptions{})
	put(t, other, "kept", value, storage.PutOptions{})
	if err := b.bucket.upload(t.Context(), b.bucket.newObject("default"), spoolBytes([]byte(value))); err != nil {
		t.Fatal(err)
	}
	foreign := "large/stowage/somebody-else/file"
	if err := b.bucket.upload(t.Context(), foreign, spoolBytes([]byte(value))); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		page, _, _, err := b.bucket.list(t.Context(), b.bucket.folder("default"), "")
		if err != nil {
			t.Fatal(err)
		}
		return len(page)
	}
	if n := count(); n != 5 {
		t.Fatalf("there are %d objects, expected 5", n)
	}
	<-time.After(2100 * time.Millisecond) // the grace, and the second that a Date header leaves out
	fresh := b.bucket.newObject("default")
	if err := b.bucket.upload(t.Context(), fresh, spoolBytes([]byte(value))); err != nil {
		t.Fatal(err)
	}
	b.sweep(t.Context(), true)
	if n := count(); n != 2 {
		t.Errorf("there are %d objects, expected the one in use and the fresh one", n)
	}
	if got := get(t, b, "kept"); got != value {
		t.Error("a value in use is gone")
	}
	if got := get(t, other, "kept"); got != value {
		t.Error("a value of another namespace is gone")
	}
	if size, err := b.bucket.size(t.Context(), foreign); err != nil || size != int64(len(value)) {
		t.Errorf("an object of somebody else: %d bytes, %v", size, err)
	}
	var rows int
	if query(t, project, &rows, `select count(*) from public.stowage_garbage where gone_at is null`); rows != 0 {
		t.Errorf("%d objects are still garbage", rows)
	}
}

func TestAnObjectTakenForAnOrphanIsUploadedAgain(t *testing.T) {
	project, b := openLarge(t, nil, supabasetest.ProjectOptions{})
	value := random(8, 2<<20)
	i := project.Inject(supabasetest.Fault{Kind: supabasetest.Stall, Match: "/rpc/stowage_put"})
	done := make(chan error, 1)
	go func() {
		_, err := b.Put(t.Context(), "k", strings.NewReader(value), storage.PutOptions{})
		done <- err
	}()
	if err := i.WaitHit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	page, _, _, err := b.bucket.list(t.Context(), b.bucket.folder("default"), "")
	if err != nil || len(page) != 1 {
		t.Fatal(page, err)
	}
	if err := b.condemn(t.Context(), []string{"large/" + page[0].Name}); err != nil {
		t.Fatal(err)
	}
	if err := b.bucket.remove(t.Context(), []string{"large/" + page[0].Name}); err != nil {
		t.Fatal(err)
	}
	i.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := get(t, b, "k"); got != value {
		t.Error("other bytes are stored")
	}
}

func TestAValueReplacedWhileItIsReadIsNeverHalfOfEach(t *testing.T) {
	project, b := openLarge(t, func(c *Config) { c.ObjectGrace = 0 }, supabasetest.ProjectOptions{})
	first, second := random(9, 8<<20), random(10, 8<<20)
	put(t, b, "k", first, storage.PutOptions{})
	cut := project.Inject(supabasetest.Fault{Kind: supabasetest.CutAnswer, Match: "GET /storage/v1/object/", Bytes: 1 << 20})
	r, err := b.Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	put(t, b, "k", second, storage.PutOptions{})
	b.sweep(t.Context(), false)
	got, err := r.Bytes()
	if e := storage.AsError(err); err == nil || e.Code != storage.CodeUnavailable || !strings.Contains(e.Error(), "replaced while it was read") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if cut.Hits() != 1 {
		t.Error("the download was not cut")
	}
	if got := get(t, b, "k"); got != second {
		t.Error("the second value is not there")
	}
	exec(t, project, `update public.stowage set object = object || 'x'`)
	if _, err := b.Get(t.Context(), "k", storage.GetOptions{}); !errors.Is(err, storage.ErrDataLoss) {
		t.Errorf("a pointer to nothing: %v", err)
	}
}

func TestSpoolingIsBoundedAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := newSpool(dir, strings.NewReader("value"))
	if err != nil {
		t.Fatal(err)
	}
	if s.size != 5 || s.crc != storage.Checksum(0, []byte("value")) {
		t.Errorf("%+v", s)
	}
	var again bytes.Buffer
	if _, err := again.ReadFrom(s.section(1, 3)); err != nil || again.String() != "alu" {
		t.Errorf("%q, %v", again.String(), err)
	}
	entries, err := readDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
	s.close()
	if _, err := newSpool("/nowhere", strings.NewReader("value")); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestUploadsWaitForOneAnother(t *testing.T) {
	project, b := openLarge(t, func(c *Config) { c.MaxUploads = 1 }, supabasetest.ProjectOptions{})
	stall := project.Inject(supabasetest.Fault{Kind: supabasetest.Stall, Match: "POST /storage/v1/object/large/"})
	done := make(chan error, 1)
	go func() {
		_, err := b.Put(t.Context(), "first", strings.NewReader(random(11, 2<<20)), storage.PutOptions{})
		done <- err
	}()
	if err := stall.WaitHit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := b.Put(ctx, "second", strings.NewReader(random(12, 2<<20)), storage.PutOptions{})
	if e := storage.AsError(err); e == nil || e.Code != storage.CodeDeadlineExceeded || e.OutcomeUnknown {
		t.Errorf("the second upload: %v", err)
	}
	put(t, b, "small", "values do not wait", storage.PutOptions{})
	stall.Release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
