package storage_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// contested aborts the first commits.
type contested struct {
	storage.Transactor
	aborts, commits int
}

func (c *contested) Commit(context.Context, storage.Transaction) ([]storage.BatchResult, error) {
	c.commits++
	if c.commits <= c.aborts {
		return nil, storage.Errorf(storage.CodeAborted, "changed")
	}
	return []storage.BatchResult{{}}, nil
}

func TestTransactBeginsAgainUntilItIsCommitted(t *testing.T) {
	cases := []struct {
		name            string
		aborts, commits int
		code            storage.Code
	}{
		{"at once", 0, 1, 0},
		{"after some", 3, 4, 0},
		{"at the last attempt", storage.MaxTransactAttempts - 1, storage.MaxTransactAttempts, 0},
		{"never", 100, storage.MaxTransactAttempts, storage.CodeAborted},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				builds := 0
				tr := &contested{aborts: c.aborts}
				results, err := storage.Transact(t.Context(), tr, func(context.Context) (storage.Transaction, error) {
					builds++
					return storage.Transaction{}, nil
				})
				if builds != c.commits || tr.commits != c.commits {
					t.Errorf("built %d times, committed %d times, want %d", builds, tr.commits, c.commits)
				}
				if c.code != 0 {
					wantCode(t, err, c.code)
				} else if err != nil || len(results) != 1 {
					t.Errorf("%d results, %v", len(results), err)
				}
			})
		})
	}
}

func TestTransactStopsWithItsContextAndItsBuilder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tr := &contested{aborts: 100}
		_, err := storage.Transact(ctx, tr, func(context.Context) (storage.Transaction, error) {
			cancel()
			return storage.Transaction{}, nil
		})
		if wantCode(t, err, storage.CodeCanceled); tr.commits != 1 {
			t.Errorf("committed %d times", tr.commits)
		}
		tr = &contested{}
		_, err = storage.Transact(t.Context(), tr, func(context.Context) (storage.Transaction, error) { return storage.Transaction{}, io.EOF })
		if !errors.Is(err, io.EOF) || tr.commits != 0 {
			t.Errorf("%v after %d commits", err, tr.commits)
		}
	})
}
