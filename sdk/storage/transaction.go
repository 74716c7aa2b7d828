package storage

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Transactor is implemented by backends that commit optimistic transactions
// over several keys.
type Transactor interface {
	// Commit applies tx.Ops atomically if every check in tx.Checks holds at
	// the commit; otherwise it changes nothing and fails with Aborted, and the
	// caller begins again by reading. Conditions of the operations themselves
	// fail as in an atomic batch. Limits and results are those of Batch.
	Commit(ctx context.Context, tx Transaction) ([]BatchResult, error)
}

// Transaction is what a caller read and what it wants to write.
type Transaction struct {
	// Checks are the versions it read; see [Check].
	Checks []Check
	// Ops are what it writes. Gets and stats are allowed and see the state of
	// the commit.
	Ops []BatchOp
}

// Check is a version a transaction depends on.
type Check struct {
	Key string
	// ETag the key must still have; empty: the key must still be absent.
	ETag string
}

// ValidateTransaction reports a transaction no backend need accept as
// InvalidArgument, or TooLarge for its size.
func ValidateTransaction(tx Transaction) error {
	if len(tx.Checks)+len(tx.Ops) > MaxBatchOps {
		return Errorf(CodeTooLarge, "the transaction has %d checks and operations; at most %d are allowed", len(tx.Checks)+len(tx.Ops), MaxBatchOps)
	}
	for _, c := range tx.Checks {
		if err := ValidateKey(c.Key); err != nil {
			return err
		}
		if c.ETag != "" {
			if err := ValidateETag(c.ETag); err != nil {
				return err
			}
		}
	}
	return ValidateBatch(tx.Ops)
}

// MaxTransactAttempts is how often [Transact] begins again.
const MaxTransactAttempts = 8

// Transact runs a read-modify-write: build reads what it needs and returns the
// transaction, which is committed. If it is Aborted, the whole is done again
// after a short random wait, at most [MaxTransactAttempts] times. build must
// have no effects besides its result.
func Transact(ctx context.Context, t Transactor, build func(ctx context.Context) (Transaction, error)) ([]BatchResult, error) {
	wait := time.Millisecond
	for attempt := 1; ; attempt++ {
		tx, err := build(ctx)
		if err != nil {
			return nil, err
		}
		results, err := t.Commit(ctx, tx)
		if !errors.Is(err, ErrAborted) || attempt == MaxTransactAttempts {
			return results, err
		}
		timer := time.NewTimer(wait/2 + rand.N(wait)) //nolint:gosec // jitter needs no secrecy
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, Annotate(ctx.Err(), "commit", "")
		case <-timer.C:
		}
		wait *= 2
	}
}
