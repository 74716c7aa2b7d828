package supabase

import (
	"context"
	"errors"
	"log/slog"

	"github.com/google/uuid"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/semaphore"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// backend is a storage.Backend over a Supabase project. It keeps nothing in
// memory but what is under way.
type backend struct {
	config *Config
	log    *slog.Logger
	caller *caller
	gate   *gate
	writer *writer
	reads  *coalescer
	bucket *bucket
	spool  string

	uploads   *semaphore.Weighted // large values on their way
	downloads *semaphore.Weighted
	encoding  *semaphore.Weighted // bytes of values in requests
}

// maxEncoding bounds the values that are in requests, or in the making of one,
// in bytes. Such a value takes several times its size.
const maxEncoding = 32 << 20

func open(ctx context.Context, c *Config, stateDir string, log *slog.Logger) (_ storage.Backend, err error) {
	calls, err := newCaller(c, log)
	if err != nil {
		return nil, err
	}
	gate := newGate()
	defer func() {
		if err != nil {
			gate.end(err)
			calls.close()
		}
	}()
	store, err := checkSchema(ctx, calls)
	if err != nil {
		return nil, blame(c, err)
	}
	id, err := writerID(stateDir)
	if err != nil {
		return nil, err
	}
	b := &backend{
		config: c, log: log, caller: calls, gate: gate, bucket: newBucket(calls, c, store), spool: c.SpoolDir,
		writer:    &writer{id: id, caller: calls, life: gate.life, memory: c.History, doubtful: make(map[string]bool)},
		uploads:   semaphore.NewWeighted(int64(c.MaxUploads)),
		downloads: semaphore.NewWeighted(int64(c.MaxConnections)),
		encoding:  semaphore.NewWeighted(maxEncoding),
	}
	if b.spool == "" {
		b.spool = stateDir
	}
	if c.Bucket != "" {
		if err := b.bucket.check(ctx); err != nil {
			return nil, err
		}
		if err := checkSpool(b.spool); err != nil {
			return nil, err
		}
	}
	if err := b.writer.register(ctx, 0); err != nil {
		return nil, err
	}
	b.reads = newCoalescer(gate, func(ctx context.Context, items []readItem) ([]readResult, error) {
		return b.readMany(ctx, items, readRoom)
	})
	gate.goes(b.sweepEvery)
	return b, nil
}

// checkSchema asks whether the tables are there in the right version, and
// returns the id of the store they make.
func checkSchema(ctx context.Context, c *caller) (store uuid.UUID, err error) {
	var info struct {
		Version int       `json:"version"`
		Store   uuid.UUID `json:"store"`
	}
	if _, err := c.call(ctx, "info", struct{}{}, &info); err != nil {
		return store, err
	}
	path := cty.GetAttrPath("table")
	switch {
	case info.Version < SchemaVersion:
		return store, schema.Diagnostics{schema.Errorf(path, "The tables are too old",
			"They have version %d, this plugin needs %d. Apply the output of '%s' in the project's SQL editor.", info.Version, SchemaVersion, schemaCommand(c))}
	case info.Version > SchemaVersion:
		return store, schema.Diagnostics{schema.Errorf(path, "The tables are too new",
			"They have version %d, this plugin knows %d. Use a newer plugin.", info.Version, SchemaVersion)}
	}
	return info.Store, nil
}

// blame points errors that only another configuration, or the operator's hand
// in the project, will cure at the operator's line.
func blame(c *Config, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	name, summary := "", ""
	switch {
	case f.missesSchema():
		name, summary = "table", "The project has no such tables"
	case f.api == "PGRST106":
		name, summary = "schema", "The schema is not exposed"
	case f.code == storage.CodeUnauthenticated:
		name, summary = c.keyAttribute(), "The project does not accept the key"
	case f.code == storage.CodePermissionDenied:
		name, summary = c.keyAttribute(), "The key does not suffice"
	default:
		return err
	}
	return schema.Diagnostics{schema.Errorf(cty.GetAttrPath(name), summary, "%v.", f)}
}

// Capabilities implements storage.Backend.
func (b *backend) Capabilities() storage.Capabilities {
	caps := storage.Capabilities{
		ConditionalPut: true, ConditionalDelete: true, TTL: true, Batch: true, AtomicBatch: true,
		Watch: true, WatchLatency: b.config.WatchInterval, Transactions: true, HealthCheck: true, Durable: true,
		Consistency:  storage.AllConsistencyLevels(),
		MaxValueSize: int64(b.config.InlineLimit),
	}
	if b.config.Bucket != "" {
		caps.MaxValueSize = int64(b.config.MaxValueSize)
	}
	return caps
}

// CheckHealth implements storage.HealthChecker.
func (b *backend) CheckHealth(ctx context.Context) error {
	ctx, leave, err := b.gate.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = checkSchema(ctx, b.caller)
	return err
}

// Close implements storage.Backend. Operations under way are ended.
func (b *backend) Close(ctx context.Context) error {
	err := b.gate.close(ctx)
	b.caller.close()
	return err
}
