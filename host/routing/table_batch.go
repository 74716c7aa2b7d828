package routing

import (
	"context"
	"reflect"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// sameStore reports whether a and b are one store. Stores that cannot be
// compared are taken for two.
func sameStore(a, b storage.Store) bool {
	return reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

// Batch splits ops among the stores of their keys, and keeps their order in
// each. The error of one store's part is that of all operations in it. The
// values read by all parts together are bounded as those of one batch are.
func (t *Table) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	if err := storage.ValidateBatch(ops); err != nil {
		return nil, storage.Annotate(err, "batch", "")
	}
	parts, err := splitBatch(ops, t.store)
	switch {
	case err != nil:
		return nil, storage.Annotate(err, "batch", "")
	case len(parts) == 0:
		return nil, nil
	case len(parts) == 1:
		return t.stores[parts[0].store].Batch(ctx, ops, opts)
	case opts.Atomic:
		return nil, storage.Annotate(severalStores("atomic batch"), "batch", "")
	}
	return batchParts(parts, ops, func(store int, mine []storage.BatchOp) ([]storage.BatchResult, error) {
		return t.stores[store].Batch(ctx, mine, opts)
	}), nil
}

// Commit passes a transaction whose keys are all of one store on to it.
func (t *Table) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	if err := storage.ValidateTransaction(tx); err != nil {
		return nil, storage.Annotate(err, "commit", "")
	}
	all := tx.Ops
	for _, c := range tx.Checks {
		all = append(all[:len(all):len(all)], storage.BatchOp{Kind: storage.BatchStat, Key: c.Key})
	}
	parts, err := splitBatch(all, t.store)
	switch {
	case err != nil:
		return nil, storage.Annotate(err, "commit", "")
	case len(parts) == 0:
		return nil, nil
	case len(parts) > 1:
		return nil, storage.Annotate(severalStores("transaction"), "commit", "")
	}
	return t.stores[parts[0].store].Commit(ctx, tx)
}

func severalStores(what string) error {
	return storage.Errorf(storage.CodeUnimplemented, "the keys of the %s belong to several backends; keep them under one route", what)
}
