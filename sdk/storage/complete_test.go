package storage_test

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// seven is a backend of the seven methods that notes what reaches it.
type seven struct {
	caps  storage.Capabilities
	calls []string
	limit int
	get   func(key string) (*storage.Reader, error)
	put   func(key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error)
	del   func(key string) (storage.Deleted, error)
}

func (s *seven) Get(_ context.Context, key string, _ storage.GetOptions) (*storage.Reader, error) {
	s.calls = append(s.calls, "get "+key)
	if s.get != nil {
		return s.get(key)
	}
	return nil, storage.ErrNotFound
}

func (s *seven) Put(_ context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	s.calls = append(s.calls, "put "+key)
	if s.put != nil {
		return s.put(key, body, opts)
	}
	n, err := io.Copy(io.Discard, body)
	return storage.PutResult{Object: storage.Object{Key: key, Size: n}}, err
}

func (s *seven) Stat(_ context.Context, key string, _ storage.StatOptions) (storage.Object, error) {
	s.calls = append(s.calls, "stat "+key)
	return storage.Object{Key: key}, nil
}

func (s *seven) Delete(_ context.Context, key string, _ storage.DeleteOptions) (storage.Deleted, error) {
	s.calls = append(s.calls, "delete "+key)
	if s.del != nil {
		return s.del(key)
	}
	return storage.Deleted{Existed: storage.Yes}, nil
}

func (s *seven) List(_ context.Context, opts storage.ListOptions) (storage.Page, error) {
	s.calls = append(s.calls, "list")
	s.limit = opts.Limit
	return storage.Page{}, nil
}

func (s *seven) Capabilities() storage.Capabilities { return s.caps }

func (s *seven) Close(context.Context) error { return io.ErrClosedPipe }

// all is a backend of every method.
type all struct{ seven }

func (a *all) Batch(_ context.Context, ops []storage.BatchOp, _ storage.BatchOptions) ([]storage.BatchResult, error) {
	a.calls = append(a.calls, "batch")
	return make([]storage.BatchResult, len(ops)), nil
}

func (a *all) Commit(_ context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	a.calls = append(a.calls, "commit")
	return make([]storage.BatchResult, len(tx.Ops)), nil
}

func (a *all) Copy(context.Context, string, string, storage.CopyOptions) (storage.PutResult, error) {
	a.calls = append(a.calls, "copy")
	return storage.PutResult{}, nil
}

func (a *all) Watch(context.Context, storage.WatchOptions) (storage.EventStream, error) {
	a.calls = append(a.calls, "watch")
	return nil, nil //nolint:nilnil // nobody looks at it
}

func (a *all) CheckHealth(context.Context) error {
	a.calls = append(a.calls, "health")
	return io.ErrUnexpectedEOF
}

func everything() storage.Capabilities {
	return storage.Capabilities{
		ConditionalPut: true, ConditionalDelete: true, TTL: true, Batch: true, AtomicBatch: true, Watch: true,
		Transactions: true, Copy: true, HealthCheck: true, Consistency: storage.AllConsistencyLevels(),
	}
}

// attempt is one call of a Store.
type attempt struct {
	name string
	call func(ctx context.Context, s storage.Store) error
}

func get(name, key string, opts storage.GetOptions) attempt {
	return attempt{"get " + name, func(ctx context.Context, s storage.Store) error {
		_, err := s.Get(ctx, key, opts)
		return err
	}}
}

func put(name, key string, opts storage.PutOptions) attempt {
	return attempt{"put " + name, func(ctx context.Context, s storage.Store) error {
		_, err := s.Put(ctx, key, strings.NewReader("v"), opts)
		return err
	}}
}

func remove(name, key string, opts storage.DeleteOptions) attempt {
	return attempt{"delete " + name, func(ctx context.Context, s storage.Store) error {
		_, err := s.Delete(ctx, key, opts)
		return err
	}}
}

func stat(name, key string, opts storage.StatOptions) attempt {
	return attempt{"stat " + name, func(ctx context.Context, s storage.Store) error {
		_, err := s.Stat(ctx, key, opts)
		return err
	}}
}

func list(name string, opts storage.ListOptions) attempt {
	return attempt{"list " + name, func(ctx context.Context, s storage.Store) error {
		_, err := s.List(ctx, opts)
		return err
	}}
}

func batch(name string, opts storage.BatchOptions, ops ...storage.BatchOp) attempt {
	return attempt{"batch " + name, func(ctx context.Context, s storage.Store) error {
		_, err := s.Batch(ctx, ops, opts)
		return err
	}}
}

func commit(name string, tx storage.Transaction) attempt {
	return attempt{"commit " + name, func(ctx context.Context, s storage.Store) error {
		_, err := s.Commit(ctx, tx)
		return err
	}}
}

func copying(name, src, dst string, opts storage.CopyOptions) attempt {
	return attempt{"copy " + name, func(ctx context.Context, s storage.Store) error {
		_, err := s.Copy(ctx, src, dst, opts)
		return err
	}}
}

func watch(name string, opts storage.WatchOptions) attempt {
	return attempt{"watch " + name, func(ctx context.Context, s storage.Store) error {
		_, err := s.Watch(ctx, opts)
		return err
	}}
}

// refused tries each and expects the code, with nothing reaching the backend.
func refused(t *testing.T, caps storage.Capabilities, code storage.Code, attempts ...attempt) {
	t.Helper()
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			backend := &all{seven{caps: caps}}
			err := a.call(t.Context(), storage.Complete(backend))
			wantCode(t, err, code)
			if len(backend.calls) > 0 {
				t.Errorf("the backend saw %q", backend.calls)
			}
			if op, _, _ := strings.Cut(a.name, " "); err != nil && storage.AsError(err).Op != op {
				t.Errorf("the error names the operation %q", storage.AsError(err).Op)
			}
		})
	}
}

func TestCompleteRefusesWhatIsMalformed(t *testing.T) {
	const unknown storage.Consistency = 9
	refused(t, everything(), storage.CodeInvalidArgument,
		get("an empty key", "", storage.GetOptions{}),
		get("a bad range", "k", storage.GetOptions{Range: storage.RangeFrom(-1)}),
		get("a bad etag", "k", storage.GetOptions{IfMatch: " "}),
		get("an unknown level", "k", storage.GetOptions{Consistency: unknown}),
		stat("an empty key", "", storage.StatOptions{}),
		stat("a bad etag", "k", storage.StatOptions{IfMatch: `"`}),
		stat("an unknown level", "k", storage.StatOptions{Consistency: unknown}),
		put("an empty key", "", storage.PutOptions{}),
		put("a negative TTL", "k", storage.PutOptions{TTL: -1}),
		put("a TTL too long", "k", storage.PutOptions{TTL: storage.MaxTTL + 1}),
		put("a negative hint", "k", storage.PutOptions{SizeHint: -1}),
		put("an empty etag", "k", storage.PutOptions{If: storage.IfETag("")}),
		put("a bad content type", "k", storage.PutOptions{ContentType: "\n"}),
		put("bad metadata", "k", storage.PutOptions{Metadata: map[string]string{"A": ""}}),
		put("an unknown level", "k", storage.PutOptions{Consistency: unknown}),
		remove("an empty key", "", storage.DeleteOptions{}),
		remove("if absent", "k", storage.DeleteOptions{If: storage.IfAbsent()}),
		remove("an empty etag", "k", storage.DeleteOptions{If: storage.IfETag("")}),
		remove("an unknown level", "k", storage.DeleteOptions{Consistency: unknown}),
		list("a negative limit", storage.ListOptions{Limit: -1}),
		list("a limit too high", storage.ListOptions{Limit: storage.MaxListLimit + 1}),
		list("a bad prefix", storage.ListOptions{Prefix: "\xff"}),
		list("a bad delimiter", storage.ListOptions{Delimiter: "\x00"}),
		list("a token too long", storage.ListOptions{Token: strings.Repeat("t", storage.MaxTokenBytes+1)}),
		list("an unknown level", storage.ListOptions{Consistency: unknown}),
		batch("an unknown level", storage.BatchOptions{Consistency: unknown}, storage.BatchOp{Kind: storage.BatchGet, Key: "k"}),
		batch("an unknown kind", storage.BatchOptions{}, storage.BatchOp{Key: "k"}),
		batch("an empty key", storage.BatchOptions{}, storage.BatchOp{Kind: storage.BatchGet}),
		batch("a bad put", storage.BatchOptions{}, storage.BatchOp{Kind: storage.BatchPut, Key: "k", Put: storage.PutOptions{TTL: -1}}),
		batch("a bad delete", storage.BatchOptions{}, storage.BatchOp{Kind: storage.BatchDelete, Key: "k", Delete: storage.DeleteOptions{If: storage.IfAbsent()}}),
		commit("an empty key", storage.Transaction{Checks: []storage.Check{{}}}),
		commit("a bad etag", storage.Transaction{Checks: []storage.Check{{Key: "k", ETag: " "}}}),
		commit("a bad operation", storage.Transaction{Ops: []storage.BatchOp{{}}}),
		copying("an empty source", "", "k", storage.CopyOptions{}),
		copying("an empty destination", "k", "", storage.CopyOptions{}),
		copying("a bad etag", "k", "l", storage.CopyOptions{SourceIfMatch: " "}),
		copying("an empty etag", "k", "l", storage.CopyOptions{If: storage.IfETag("")}),
		watch("a bad prefix", storage.WatchOptions{Prefix: "\x00"}),
		watch("a cursor too long", storage.WatchOptions{Cursor: strings.Repeat("c", storage.MaxTokenBytes+1)}),
	)
}

func TestCompleteRefusesWhatIsNotDeclared(t *testing.T) {
	op := storage.BatchOp{Kind: storage.BatchPut, Key: "k"}
	conditional, expiring := op, op
	conditional.Put.If, expiring.Put.TTL = storage.IfAbsent(), time.Hour
	deleting := storage.BatchOp{Kind: storage.BatchDelete, Key: "k", Delete: storage.DeleteOptions{If: storage.IfExists()}}
	for _, level := range storage.AllConsistencyLevels().Levels() {
		refused(t, storage.Capabilities{}, storage.CodeUnimplemented,
			get(level.String(), "k", storage.GetOptions{Consistency: level}),
			stat(level.String(), "k", storage.StatOptions{Consistency: level}),
			put(level.String(), "k", storage.PutOptions{Consistency: level}),
			remove(level.String(), "k", storage.DeleteOptions{Consistency: level}),
			list(level.String(), storage.ListOptions{Consistency: level}),
			batch(level.String(), storage.BatchOptions{Consistency: level}, op),
		)
	}
	refused(t, storage.Capabilities{}, storage.CodeUnimplemented,
		put("a condition", "k", storage.PutOptions{If: storage.IfAbsent()}),
		put("a TTL", "k", storage.PutOptions{TTL: 1}),
		remove("a condition", "k", storage.DeleteOptions{If: storage.IfExists()}),
		batch("atomic", storage.BatchOptions{Atomic: true}, op),
		batch("a condition", storage.BatchOptions{}, op, conditional),
		batch("a TTL", storage.BatchOptions{}, op, expiring),
		batch("a conditional delete", storage.BatchOptions{}, op, deleting),
		commit("anything", storage.Transaction{}),
		copying("a condition", "k", "l", storage.CopyOptions{If: storage.IfAbsent()}),
		watch("anything", storage.WatchOptions{}),
	)
	refused(t, storage.Capabilities{AtomicBatch: true}, storage.CodeUnimplemented,
		batch("atomic without batches", storage.BatchOptions{Atomic: true}, op))
	refused(t, storage.Capabilities{Transactions: true}, storage.CodeUnimplemented,
		commit("a condition", storage.Transaction{Ops: []storage.BatchOp{conditional}}))
}

func TestCompleteRefusesWhatIsTooLarge(t *testing.T) {
	caps := everything()
	caps.MaxValueSize = 10
	ops := make([]storage.BatchOp, storage.MaxBatchOps+1)
	for i := range ops {
		ops[i] = storage.BatchOp{Kind: storage.BatchGet, Key: "k"}
	}
	half := storage.BatchOp{Kind: storage.BatchPut, Key: "k", Value: make([]byte, storage.MaxBatchBytes/2+1)}
	refused(t, caps, storage.CodeTooLarge,
		put("announced", "k", storage.PutOptions{SizeHint: 11}),
		batch("a value", storage.BatchOptions{}, storage.BatchOp{Kind: storage.BatchPut, Key: "k", Value: make([]byte, 11)}),
		batch("many operations", storage.BatchOptions{}, ops...),
		batch("many bytes", storage.BatchOptions{}, half, half),
		commit("many checks", storage.Transaction{Checks: make([]storage.Check, storage.MaxBatchOps+1)}),
	)
}

func TestCompleteBoundsTheBody(t *testing.T) {
	for _, c := range []struct {
		limit int64
		size  int
		ok    bool
	}{{10, 10, true}, {10, 11, false}, {10, 100_000, false}, {1, 0, true}, {0, 100_000, true}, {math.MaxInt64, 100, true}} {
		b := &seven{caps: storage.Capabilities{MaxValueSize: c.limit}}
		res, err := storage.Complete(b).Put(t.Context(), "k", strings.NewReader(strings.Repeat("v", c.size)), storage.PutOptions{SizeHint: 1})
		if c.ok && (err != nil || res.Object.Size != int64(c.size)) {
			t.Errorf("%d bytes under a limit of %d: %d were stored, %v", c.size, c.limit, res.Object.Size, err)
		}
		if !c.ok {
			wantCode(t, err, storage.CodeTooLarge)
		}
	}
}

func TestCompletePassesOnWhatIsDeclared(t *testing.T) {
	b := &all{seven{caps: everything()}}
	s := storage.Complete(b)
	ctx := t.Context()
	op := storage.BatchOp{Kind: storage.BatchPut, Key: "k", Put: storage.PutOptions{If: storage.IfAbsent(), TTL: 1}}
	for _, a := range []attempt{
		put("", "k", storage.PutOptions{If: storage.IfAbsent(), TTL: 1, Consistency: storage.ConsistencyStrong}),
		stat("", "k", storage.StatOptions{Consistency: storage.ConsistencyCausal}),
		remove("", "k", storage.DeleteOptions{If: storage.IfExists()}),
		list("", storage.ListOptions{}),
		batch("", storage.BatchOptions{Atomic: true}, op),
		batch("of nothing", storage.BatchOptions{}),
		commit("", storage.Transaction{Ops: []storage.BatchOp{op}}),
		copying("", "k", "l", storage.CopyOptions{If: storage.IfAbsent()}),
		watch("", storage.WatchOptions{}),
	} {
		if err := a.call(ctx, s); err != nil {
			t.Errorf("%s: %v", a.name, err)
		}
	}
	want := "put k, stat k, delete k, list, batch, commit, copy, watch"
	if got := strings.Join(b.calls, ", "); got != want {
		t.Errorf("the backend saw  %s\nwant %s", got, want)
	}
	if b.limit != storage.DefaultListLimit {
		t.Errorf("the limit is %d", b.limit)
	}
	if s.Capabilities() != everything() {
		t.Errorf("the capabilities are %+v", s.Capabilities())
	}
	if storage.Complete(s) != s {
		t.Error("a completed store was completed again")
	}
}

func TestCompleteBelievesInNoMethodThatIsMissing(t *testing.T) {
	s := storage.Complete(&seven{caps: everything()})
	got, want := s.Capabilities(), everything()
	want.Batch, want.AtomicBatch, want.Watch, want.Transactions, want.Copy, want.HealthCheck = false, false, false, false, false, false
	if got != want {
		t.Errorf("the capabilities are %+v", got)
	}
	if err := s.CheckHealth(t.Context()); err != nil {
		t.Errorf("the health of a backend without a check: %v", err)
	}
	_, err := s.Watch(t.Context(), storage.WatchOptions{})
	wantCode(t, err, storage.CodeUnimplemented)
}

func TestCompleteNamesErrors(t *testing.T) {
	s := storage.Complete(&all{seven{caps: everything()}})
	_, err := s.Get(t.Context(), "k", storage.GetOptions{})
	if e := storage.AsError(err); e == nil || e.Op != "get" || e.Key != "k" || e.Code != storage.CodeNotFound {
		t.Errorf("get gives %+v", e)
	}
	if e := storage.AsError(s.Close(t.Context())); e == nil || e.Op != "close" || !errors.Is(e, io.ErrClosedPipe) {
		t.Errorf("close gives %+v", e)
	}
	if e := storage.AsError(s.CheckHealth(t.Context())); e == nil || e.Op != "health" {
		t.Errorf("the health check gives %+v", e)
	}
}

func TestCompleteSaysWhetherAFailedWriteMayHaveHappened(t *testing.T) {
	explicit := &storage.Error{Code: storage.CodeUnavailable}
	cases := []struct {
		name    string
		read    bool
		err     error
		unknown bool
	}{
		{"an *Error knows", true, explicit, false},
		{"a plain error after the end of the body", true, io.ErrUnexpectedEOF, true},
		{"a plain error before it", false, io.ErrUnexpectedEOF, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := storage.Complete(&seven{put: func(_ string, body io.Reader, _ storage.PutOptions) (storage.PutResult, error) {
				if c.read {
					_, _ = io.Copy(io.Discard, body)
				}
				return storage.PutResult{}, c.err
			}, del: func(string) (storage.Deleted, error) { return storage.Deleted{}, c.err }})
			_, err := s.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
			if e := storage.AsError(err); e == nil || e.OutcomeUnknown != c.unknown {
				t.Errorf("put gives %+v", e)
			}
			_, err = s.Delete(t.Context(), "k", storage.DeleteOptions{})
			if e := storage.AsError(err); e == nil || e.OutcomeUnknown != (c.err != explicit) { //nolint:errorlint // the very error
				t.Errorf("delete gives %+v", e)
			}
		})
	}
}
