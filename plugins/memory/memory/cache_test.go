package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func put(t testing.TB, b storage.Backend, key, value string, opts storage.PutOptions) storage.Object {
	t.Helper()
	res, err := b.Put(t.Context(), key, strings.NewReader(value), opts)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return res.Object
}

func wantCode(t testing.TB, err error, code storage.Code) {
	t.Helper()
	if err == nil || storage.CodeOf(err) != code {
		t.Fatalf("got %v, want %v", err, code)
	}
}

func TestPluginIsDescribedSoundly(t *testing.T) {
	if err := Plugin().Check(); err != nil {
		t.Fatal(err)
	}
	b, err := Plugin().Open(t.Context(), sdk.Instance{Config: &Config{MaxBytes: 1 << 20, TTL: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	if caps := b.Capabilities(); caps.Durable || caps.Exclusive || !caps.TTL || caps.MaxValueSize <= 1<<19 || caps.MaxValueSize >= 1<<20 {
		t.Errorf("it says of itself %+v", caps)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for _, opts := range []Options{{MaxBytes: -1}, {MaxBytes: 10}, {TTL: -1}} {
		_, err := Open(opts)
		wantCode(t, err, storage.CodeInvalidArgument)
	}
}

func TestTheBoundHolds(t *testing.T) {
	b := open(t, Options{MaxBytes: 1 << 20})
	value := strings.Repeat("x", 10_000)
	meta := map[string]string{"m": strings.Repeat("y", 1000)}
	for i := range 1000 {
		put(t, b, fmt.Sprint(i), value, storage.PutOptions{Metadata: meta})
		if size := b.entries.WeightedSize(); size > 1<<20 {
			t.Fatalf("after %d objects it holds %d bytes", i+1, size)
		}
	}
	page, err := b.List(t.Context(), storage.ListOptions{})
	if n := len(page.Objects); err != nil || n < 80 || n > 1<<20/11_000 {
		t.Errorf("it holds %d objects, %v", n, err)
	}
}

func TestWhatIsUsedIsKept(t *testing.T) {
	b := open(t, Options{MaxBytes: 1 << 20})
	put(t, b, "hot", "v", storage.PutOptions{})
	for i := range 2000 {
		put(t, b, fmt.Sprint(i), strings.Repeat("x", 5000), storage.PutOptions{})
		if _, err := b.Stat(t.Context(), "hot", storage.StatOptions{}); err != nil {
			t.Fatalf("after %d others: %v", i+1, err)
		}
	}
}

func TestAReaderOutlivesItsObject(t *testing.T) {
	b := open(t, Options{MaxBytes: 1 << 20})
	value := strings.Repeat("first", 1000)
	put(t, b, "k", value, storage.PutOptions{})
	r, err := b.Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		put(t, b, fmt.Sprint(i), strings.Repeat("x", 5000), storage.PutOptions{})
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Bytes(); err != nil || string(got) != value {
		t.Errorf("it ended with %d bytes, %v", len(got), err)
	}
}

func TestAValueLargerThanTheCacheIsRefused(t *testing.T) {
	s := storage.Complete(open(t, Options{MaxBytes: 100_000}))
	_, err := s.Put(t.Context(), "k", bytes.NewReader(make([]byte, 100_000)), storage.PutOptions{})
	wantCode(t, err, storage.CodeTooLarge)
	put(t, s, "k", strings.Repeat("x", int(s.Capabilities().MaxValueSize)), storage.PutOptions{
		Metadata: map[string]string{"m": strings.Repeat("y", storage.MaxBackendMetadataBytes-1)},
	})
	if _, err := s.Stat(t.Context(), "k", storage.StatOptions{}); err != nil {
		t.Errorf("the largest value is not kept: %v", err)
	}
}

// held is a body that gives a piece, says so, and waits before it ends.
type held struct {
	piece   io.Reader
	given   chan<- struct{}
	proceed <-chan struct{}
}

func (h *held) Read(p []byte) (int, error) {
	if n, err := h.piece.Read(p); err == nil {
		return n, nil
	}
	h.given <- struct{}{}
	<-h.proceed
	return 0, io.EOF
}

func TestValuesBeingPutAreBounded(t *testing.T) {
	b := open(t, Options{MaxBytes: 1 << 20})
	given, proceed := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		body := &held{bytes.NewReader(make([]byte, 600_000)), given, proceed}
		if _, err := b.Put(context.Background(), "first", body, storage.PutOptions{SizeHint: 600_000}); err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	<-given
	_, err := b.Put(t.Context(), "second", bytes.NewReader(make([]byte, 600_000)), storage.PutOptions{SizeHint: 600_000})
	wantCode(t, err, storage.CodeQuotaExceeded)
	close(proceed)
	first.Wait()
	put(t, b, "third", strings.Repeat("x", 600_000), storage.PutOptions{})
	if left := b.staging.used.Load(); left != 0 {
		t.Errorf("%d bytes are still counted as being put", left)
	}
}

func TestTheCacheKeepsNothingForLongerThanItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Options{TTL: time.Minute})
		plain := put(t, b, "plain", "v", storage.PutOptions{})
		shorter := put(t, b, "shorter", "v", storage.PutOptions{TTL: 10 * time.Second})
		longer := put(t, b, "longer", "v", storage.PutOptions{TTL: time.Hour})
		if !plain.ExpiresAt.IsZero() || !shorter.ExpiresAt.Equal(time.Now().Add(10*time.Second)) || !longer.ExpiresAt.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("they expire at %v, %v and %v", plain.ExpiresAt, shorter.ExpiresAt, longer.ExpiresAt)
		}
		there := func() (keys string) {
			page, err := b.List(t.Context(), storage.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Objects {
				keys += o.Key + " "
			}
			return keys
		}
		time.Sleep(10*time.Second - 1)
		if got := there(); got != "longer plain shorter " {
			t.Errorf("before any expiry: %q", got)
		}
		time.Sleep(time.Nanosecond)
		if got := there(); got != "longer plain " {
			t.Errorf("at the expiry of the shorter: %q", got)
		}
		time.Sleep(time.Minute)
		if got := there(); got != "" {
			t.Errorf("after the TTL of the cache: %q", got)
		}
		synctest.Wait()
		if n := b.entries.EstimatedSize(); n != 0 {
			t.Errorf("%d entries still take room", n)
		}
		_ = b.Close(t.Context())
	})
}

func TestPutsThatRaceAreOrdered(t *testing.T) {
	b := open(t, Options{})
	put(t, b, "counter", "", storage.PutOptions{})
	const callers, each = 16, 50
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for done := 0; done < each; {
				r, err := b.Get(context.Background(), "counter", storage.GetOptions{})
				if err != nil {
					t.Errorf("get: %v", err)
					return
				}
				value, err := r.Bytes()
				if err != nil {
					t.Errorf("read: %v", err)
					return
				}
				_, err = b.Put(context.Background(), "counter", strings.NewReader(string(value)+"x"), storage.PutOptions{If: storage.IfETag(r.Object.ETag)})
				switch {
				case err == nil:
					done++
				case !errors.Is(err, storage.ErrFailedPrecondition):
					t.Errorf("put: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	if o, err := b.Stat(t.Context(), "counter", storage.StatOptions{}); err != nil || o.Size != callers*each {
		t.Errorf("of %d increments %d are there, %v", callers*each, o.Size, err)
	}
}

func TestAfterCloseItIsUnavailable(t *testing.T) {
	b := open(t, Options{})
	put(t, b, "k", "v", storage.PutOptions{})
	for range 2 {
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.Stat(t.Context(), "k", storage.StatOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	if n := b.entries.EstimatedSize(); n != 0 {
		t.Errorf("%d entries are still held", n)
	}
}

func TestMetadataIsSharedWithWhoPromisesNotToChangeIt(t *testing.T) {
	b := open(t, Options{})
	put(t, b, "k", "v", storage.PutOptions{Metadata: map[string]string{"a": "1"}})
	get := func(opts storage.GetOptions) map[string]string {
		r, err := b.Get(t.Context(), "k", opts)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		return r.Object.Metadata
	}
	get(storage.GetOptions{})["a"] = "changed"
	if got := get(storage.GetOptions{SharedMetadata: true})["a"]; got != "1" {
		t.Errorf("the metadata is %q", got)
	}
	if n := testing.AllocsPerRun(100, func() { get(storage.GetOptions{SharedMetadata: true}) }); n > 1 {
		t.Errorf("sharing it takes %v allocations", n)
	}
}

func BenchmarkMemoryGet(b *testing.B) {
	for _, meta := range []map[string]string{nil, {"a": "1", "b": "2"}} {
		b.Run(fmt.Sprintf("metadata=%d", len(meta)), func(b *testing.B) {
			s := open(b, Options{})
			put(b, s, "k", strings.Repeat("v", 1024), storage.PutOptions{Metadata: meta})
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				r, err := s.Get(ctx, "k", storage.GetOptions{})
				if err != nil {
					b.Fatal(err)
				}
				_ = r.Close()
			}
		})
	}
}
