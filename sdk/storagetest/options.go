package storagetest

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Defaults of [Options].
const (
	DefaultMaxValueBytes = 8 << 20
	DefaultTTL           = 250 * time.Millisecond
	DefaultClockSkew     = time.Minute
	DefaultConcurrency   = 16
	DefaultTimeout       = 30 * time.Second
)

// Options modify a run of the kit. The zero value suits a local backend.
type Options struct {
	// Prefix begins every key the kit uses; a part unique to the run follows
	// it. At most 200 bytes, so that room is left for the keys themselves.
	Prefix string
	// Alone says that the backend is empty and used by nobody else, so that
	// keys outside the prefix may be tried: those of one byte, say. They are
	// deleted afterwards like the others.
	Alone bool
	// MaxValueBytes is the size of the largest value that is stored; it is
	// streamed, never held. 0 means [DefaultMaxValueBytes]. A lower
	// MaxValueSize of the backend wins.
	MaxValueBytes int64
	// TTL is the expiry that cases wait out: the shortest the backend keeps
	// to. 0 means [DefaultTTL]. A tenth of it is allowed as delay.
	TTL time.Duration
	// Now and Sleep are the clock by which the backend expires objects, for
	// backends that can be given one. Nil means the system's. Sleep returns
	// early, with the context's error, when ctx is done.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
	// ClockSkew is how far the backend's clock may be from Now. 0 means
	// [DefaultClockSkew].
	ClockSkew time.Duration
	// Concurrency is the number of callers in cases that have several. 0 means
	// [DefaultConcurrency].
	Concurrency int
	// Timeout bounds each case; a case that takes longer fails. 0 means
	// [DefaultTimeout].
	Timeout time.Duration
	// Skip leaves out cases: full name ("list/order-is-bytewise") or group
	// ("watch") → the reason, which is printed.
	Skip map[string]string
	// Reopen closes b, or kills what is behind it, and opens the same data
	// again. Nil leaves the durability cases out. [Run] sets it from its
	// Harness.
	Reopen func(ctx context.Context, b storage.Backend) (storage.Backend, error)
	// KeepOpen leaves out the cases that close the backend. Without it the
	// backend given to [Check] is closed when Check returns.
	KeepOpen bool
}

func (o Options) withDefaults() Options {
	if o.MaxValueBytes <= 0 {
		o.MaxValueBytes = DefaultMaxValueBytes
	}
	if o.TTL <= 0 {
		o.TTL = DefaultTTL
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.ClockSkew <= 0 {
		o.ClockSkew = DefaultClockSkew
	}
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	o.Prefix += "storagetest-" + strings.ToLower(rand.Text()[:10]) + "/"
	return o
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
