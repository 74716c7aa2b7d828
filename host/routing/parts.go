package routing

import "github.com/p2p-ai-agents/stowage/sdk/storage"

// part is what one store does of a batch.
type part struct {
	store int
	ops   []int // positions in the batch
}

// splitBatch sorts the operations of a batch by the store of their keys.
func splitBatch(ops []storage.BatchOp, store func(key string) (int, error)) ([]part, error) {
	var parts []part
	at := map[int]int{} // store → part
	for i, op := range ops {
		s, err := store(op.Key)
		if err != nil {
			return nil, storage.Annotate(err, "", op.Key)
		}
		p, ok := at[s]
		if !ok {
			p = len(parts)
			at[s] = p
			parts = append(parts, part{store: s})
		}
		parts[p].ops = append(parts[p].ops, i)
	}
	return parts, nil
}

// batchParts runs the parts of a batch one after the other. The error of a part
// is that of all its operations, and the values read by all together are
// bounded as those of one batch are.
func batchParts(parts []part, ops []storage.BatchOp, run func(store int, mine []storage.BatchOp) ([]storage.BatchResult, error)) []storage.BatchResult {
	results := make([]storage.BatchResult, len(ops))
	room := storage.MaxBatchBytes
	for _, part := range parts {
		mine := make([]storage.BatchOp, len(part.ops))
		for i, at := range part.ops {
			mine[i] = ops[at]
		}
		got, err := run(part.store, mine)
		for i, at := range part.ops {
			if err != nil {
				results[at].Err = storage.Annotate(err, "batch", ops[at].Key)
				continue
			}
			results[at] = got[i]
			if room -= len(got[i].Value); room < 0 {
				room += len(got[i].Value)
				results[at] = storage.BatchResult{Err: storage.Annotate(
					storage.Errorf(storage.CodeTooLarge, "the values read by the batch have more than %d bytes", storage.MaxBatchBytes), "batch", ops[at].Key)}
			}
		}
	}
	return results
}
