package storage

import (
	"bytes"
	"context"
)

// Limits of a batch or transaction.
const (
	// MaxBatchOps is the most operations in one batch or transaction.
	MaxBatchOps = 1000
	// MaxBatchBytes bounds the values of a batch or transaction, those sent
	// and those returned, together, in bytes. Larger values go through Put and
	// Get, which stream.
	MaxBatchBytes = 4 << 20
)

// Batcher is implemented by backends that apply several operations in one
// call.
type Batcher interface {
	// Batch applies ops in order: a later operation sees what an earlier one
	// did. It returns one result for each, in the same order; a failed
	// operation does not stop those after it. With opts.Atomic everything is
	// applied or nothing: then the results of the operations that failed carry
	// their errors, and those of all others Aborted.
	//
	// The error is for the batch as a whole, and then there are no results:
	// malformed or oversized input, or no answer. If its OutcomeUnknown is
	// set, any of the operations may have happened.
	Batch(ctx context.Context, ops []BatchOp, opts BatchOptions) ([]BatchResult, error)
}

// BatchOptions modify Batch.
type BatchOptions struct {
	// Atomic asks for all or nothing. Without the AtomicBatch capability it is
	// Unimplemented.
	Atomic      bool
	Consistency Consistency
	Session     *Session
}

// BatchKind names the operations of a batch.
type BatchKind uint8

// The operations of a batch.
const (
	BatchGet BatchKind = iota + 1
	BatchStat
	BatchPut
	BatchDelete
)

// BatchOp is one operation of a batch. Only the fields of its kind are used;
// consistency and session are those of the batch.
type BatchOp struct {
	Kind BatchKind
	Key  string
	// Value is what BatchPut stores, with the options of Put. The backend does
	// not keep the slice.
	Value []byte
	Put   PutOptions
	// Delete has the options of BatchDelete.
	Delete DeleteOptions
}

// BatchResult is the outcome of one operation of a batch.
type BatchResult struct {
	// Err is nil or an *Error.
	Err error
	// Object is set by BatchGet, BatchStat and BatchPut.
	Object Object
	// Value is what BatchGet read. The caller owns it.
	Value []byte
	// Created is set by BatchPut, Existed by BatchDelete.
	Created Tristate
	Existed Tristate
}

// ValidateBatch reports a batch that no backend need accept as
// InvalidArgument, or TooLarge for its size.
func ValidateBatch(ops []BatchOp) error {
	if len(ops) > MaxBatchOps {
		return Errorf(CodeTooLarge, "the batch has %d operations; at most %d are allowed", len(ops), MaxBatchOps)
	}
	total := 0
	for i, op := range ops {
		total += len(op.Value)
		if err := validateBatchOp(op); err != nil {
			e := AsError(err)
			e.Key = op.Key
			e.Err = Errorf(e.Code, "operation %d: %w", i, e.Err).Err
			return e
		}
	}
	if total > MaxBatchBytes {
		return Errorf(CodeTooLarge, "the values of the batch have %d bytes; at most %d are allowed", total, MaxBatchBytes)
	}
	return nil
}

func validateBatchOp(op BatchOp) error {
	switch op.Kind {
	case BatchGet, BatchStat:
		return ValidateKey(op.Key)
	case BatchPut:
		return ValidatePut(op.Key, op.Put)
	case BatchDelete:
		return ValidateDelete(op.Key, op.Delete)
	default:
		return Errorf(CodeInvalidArgument, "batch operation of unknown kind %d", op.Kind)
	}
}

// batchByOne applies a batch that is not atomic through the single
// operations of b.
func batchByOne(ctx context.Context, b Backend, ops []BatchOp, opts BatchOptions) []BatchResult {
	results := make([]BatchResult, len(ops))
	room := int64(MaxBatchBytes)
	for _, op := range ops {
		room -= int64(len(op.Value))
	}
	for i, op := range ops {
		r := &results[i]
		switch op.Kind {
		case BatchGet:
			var reader *Reader
			reader, r.Err = b.Get(ctx, op.Key, GetOptions{Consistency: opts.Consistency, Session: opts.Session})
			if r.Err != nil {
				continue
			}
			r.Object = reader.Object
			if reader.Length > room {
				r.Err = Errorf(CodeTooLarge, "the values read by the batch have more than %d bytes", MaxBatchBytes)
				_ = reader.Close()
				continue
			}
			room -= reader.Length
			r.Value, r.Err = reader.Bytes()
		case BatchStat:
			r.Object, r.Err = b.Stat(ctx, op.Key, StatOptions{Consistency: opts.Consistency, Session: opts.Session})
		case BatchPut:
			put := op.Put
			put.Consistency, put.Session, put.SizeHint = opts.Consistency, opts.Session, int64(len(op.Value))
			var res PutResult
			res, r.Err = b.Put(ctx, op.Key, bytes.NewReader(op.Value), put)
			r.Object, r.Created = res.Object, res.Created
		case BatchDelete:
			var res Deleted
			res, r.Err = b.Delete(ctx, op.Key, DeleteOptions{If: op.Delete.If, Consistency: opts.Consistency, Session: opts.Session})
			r.Existed = res.Existed
		}
	}
	return results
}
