package storagetest_test

import (
	"context"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

type batchFunc = func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error)

// batching is the reference with another Batch.
func batching(name string, batch func(m *memory) batchFunc) mutant {
	return mutant{name: name, fault: func(m *memory) storage.Backend { return &hooked{memory: m, batch: batch(m)} }}
}

type commitFunc = func(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error)

// committing is the reference with another Commit.
func committing(name string, commit func(m *memory) commitFunc) mutant {
	return mutant{name: name, fault: func(m *memory) storage.Backend { return &hooked{memory: m, commit: commit(m)} }}
}

func batchMutants() []mutant {
	return []mutant{
		batching("batches run backwards", func(m *memory) batchFunc {
			return func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
				ops = slices.Clone(ops)
				slices.Reverse(ops)
				results, err := m.Batch(ctx, ops, opts)
				slices.Reverse(results)
				return results, err
			}
		}),
		batching("results are backwards", func(m *memory) batchFunc {
			return func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
				results, err := m.Batch(ctx, ops, opts)
				slices.Reverse(results)
				return results, err
			}
		}),
		batching("a batch stops at the first failure", func(m *memory) batchFunc {
			return func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
				if opts.Atomic {
					return m.Batch(ctx, ops, opts)
				}
				results := make([]storage.BatchResult, len(ops))
				for i := range ops {
					one, err := m.Batch(ctx, ops[i:i+1], opts)
					if err != nil {
						return nil, err
					}
					if results[i] = one[0]; one[0].Err != nil {
						for j := range results[i:] {
							results[i+j].Err = one[0].Err
						}
						break
					}
				}
				return results, nil
			}
		}),
		batching("one failure fails the batch", func(m *memory) batchFunc {
			return func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
				results, err := m.Batch(ctx, ops, opts)
				for _, r := range results {
					if r.Err != nil && !opts.Atomic {
						return nil, r.Err
					}
				}
				return results, err
			}
		}),
		batching("atomic batches are not", func(m *memory) batchFunc {
			return func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
				opts.Atomic = false
				return m.Batch(ctx, ops, opts)
			}
		}),
		batching("atomic batches are interleaved", func(m *memory) batchFunc {
			return func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
				for _, op := range ops {
					if !opts.Atomic || op.Kind != storage.BatchPut || !op.Put.If.IsNone() {
						return m.Batch(ctx, ops, opts)
					}
				}
				results := make([]storage.BatchResult, len(ops))
				for i := range ops {
					_, _ = yielding{emptyReader{}}.Read(nil)
					one, err := m.Batch(ctx, ops[i:i+1], opts)
					if err != nil {
						return nil, err
					}
					results[i] = one[0]
				}
				return results, nil
			}
		}),
		batching("nobody is told of the abort", func(m *memory) batchFunc {
			return func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
				results, err := m.Batch(ctx, ops, opts)
				for i := range results {
					if results[i].Err != nil && storage.CodeOf(results[i].Err) == storage.CodeAborted {
						results[i].Err = nil
					}
				}
				return results, err
			}
		}),
		batching("the value of the caller is kept", func(m *memory) batchFunc {
			return func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
				results, err := m.Batch(ctx, ops, opts)
				m.mu.Lock()
				defer m.mu.Unlock()
				for i, op := range ops {
					if o, ok := m.objects[op.Key]; ok && op.Kind == storage.BatchPut && results[i].Object.ETag == o.ETag {
						o.value = op.Value
						m.objects[op.Key] = o
					}
				}
				return results, err
			}
		}),
		batching("put options of a batch are forgotten", func(m *memory) batchFunc {
			return func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
				ops = slices.Clone(ops)
				for i := range ops {
					ops[i].Put = storage.PutOptions{If: ops[i].Put.If}
				}
				return m.Batch(ctx, ops, opts)
			}
		}),
		batching("conditions of a batch are ignored", func(m *memory) batchFunc {
			return func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
				ops = slices.Clone(ops)
				for i := range ops {
					ops[i].Put.If, ops[i].Delete.If = storage.Condition{}, storage.Condition{}
				}
				return m.Batch(ctx, ops, opts)
			}
		}),
		committing("checks are ignored", func(m *memory) commitFunc {
			return func(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
				tx.Checks = nil
				_, _ = yielding{emptyReader{}}.Read(nil)
				return m.Commit(ctx, tx)
			}
		}),
		committing("checks of absence are ignored", func(m *memory) commitFunc {
			return func(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
				tx.Checks = slices.DeleteFunc(slices.Clone(tx.Checks), func(c storage.Check) bool { return c.ETag == "" })
				return m.Commit(ctx, tx)
			}
		}),
		committing("only the first check counts", func(m *memory) commitFunc {
			return func(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
				tx.Checks = tx.Checks[:min(1, len(tx.Checks))]
				return m.Commit(ctx, tx)
			}
		}),
		committing("a stale check is a failed condition", func(m *memory) commitFunc {
			return func(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
				results, err := m.Commit(ctx, tx)
				if e := storage.AsError(err); e != nil && e.Code == storage.CodeAborted {
					e.Code = storage.CodeFailedPrecondition
					return nil, e
				}
				return results, err
			}
		}),
		committing("operations of a transaction are not undone", func(m *memory) commitFunc {
			return func(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
				if _, err := m.Commit(ctx, storage.Transaction{Checks: tx.Checks}); err != nil {
					return nil, err
				}
				return m.Batch(ctx, tx.Ops, storage.BatchOptions{})
			}
		}),
	}
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }
