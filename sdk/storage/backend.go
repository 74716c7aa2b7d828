package storage

import (
	"context"
	"io"
)

// Backend stores values under keys. It is the interface that plugin authors
// implement, and the one that layers, policies and clients share.
//
// Every error a Backend returns is an [*Error] or wraps one; anything else is
// taken as Internal. Methods return promptly with Canceled or
// DeadlineExceeded once ctx is done.
type Backend interface {
	// Get opens the value of key for reading. A missing or expired key is
	// NotFound; an empty value is a value. The Reader holds resources of the
	// backend until it is closed; ctx governs the whole read, not only Get.
	Get(ctx context.Context, key string, opts GetOptions) (*Reader, error)

	// Put stores the whole of body under key and returns when the write is
	// committed. It replaces value, metadata, content type and expiry
	// together, and gives the object an etag no earlier version of it had,
	// also when the bytes are the same. If ctx ends or body fails before the
	// commit, the old value stays.
	//
	// An implementation reads body to io.EOF before it commits; any other end
	// means that the value is incomplete. It does not read body after it has
	// returned, and does not close it. An error that is not an [*Error] leaves
	// the outcome unknown once body has ended; an [*Error] says with
	// OutcomeUnknown whether the write may have happened.
	Put(ctx context.Context, key string, body io.Reader, opts PutOptions) (PutResult, error)

	// Stat returns what Get would, without the value.
	Stat(ctx context.Context, key string, opts StatOptions) (Object, error)

	// Delete removes key. Deleting a missing key succeeds, unless a condition
	// asks for its presence: then it is FailedPrecondition.
	Delete(ctx context.Context, key string, opts DeleteOptions) (Deleted, error)

	// List returns a page of objects in bytewise ascending order of their
	// keys. See [ListOptions].
	List(ctx context.Context, opts ListOptions) (Page, error)

	// Capabilities says what this backend can do. The answer does not change
	// during the life of a backend, costs nothing and does not block.
	Capabilities() Capabilities

	// Close ends the use of the backend: it stops background work, releases
	// locks and flushes what is acknowledged. Operations after Close fail with
	// Unavailable. Close is idempotent.
	Close(ctx context.Context) error
}

// Store is a Backend with every optional operation. Callers, layers and
// policies work with Stores; [Complete] makes one from any Backend. An
// operation whose flag [Capabilities] lacks answers Unimplemented, except
// Batch without Atomic, Copy and CheckHealth, which always work.
type Store interface {
	Backend
	Batcher
	Watcher
	Transactor
	Copier
	HealthChecker
}
