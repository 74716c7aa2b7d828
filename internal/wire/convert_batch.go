package wire

import (
	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func operationsToProto(ops []storage.BatchOp) []*storagev1.BatchOperation {
	out := make([]*storagev1.BatchOperation, len(ops))
	for i, op := range ops {
		p := &storagev1.BatchOperation{Key: op.Key}
		switch op.Kind {
		case storage.BatchGet:
			p.Operation = &storagev1.BatchOperation_Get_{Get: &storagev1.BatchOperation_Get{}}
		case storage.BatchStat:
			p.Operation = &storagev1.BatchOperation_Stat_{Stat: &storagev1.BatchOperation_Stat{}}
		case storage.BatchPut:
			p.Operation = &storagev1.BatchOperation_Put_{Put: &storagev1.BatchOperation_Put{Value: op.Value, Options: putOptionsToProto(op.Put)}}
		case storage.BatchDelete:
			p.Operation = &storagev1.BatchOperation_Delete_{Delete: &storagev1.BatchOperation_Delete{Condition: conditionToProto(op.Delete.If)}}
		}
		out[i] = p
	}
	return out
}

func operationsFromProto(ops []*storagev1.BatchOperation) []storage.BatchOp {
	out := make([]storage.BatchOp, len(ops))
	for i, p := range ops {
		op := storage.BatchOp{Key: p.GetKey()}
		switch o := p.GetOperation().(type) {
		case *storagev1.BatchOperation_Get_:
			op.Kind = storage.BatchGet
		case *storagev1.BatchOperation_Stat_:
			op.Kind = storage.BatchStat
		case *storagev1.BatchOperation_Put_:
			op.Kind, op.Value, op.Put = storage.BatchPut, o.Put.GetValue(), putOptionsFromProto(o.Put.GetOptions())
		case *storagev1.BatchOperation_Delete_:
			op.Kind, op.Delete.If = storage.BatchDelete, conditionFromProto(o.Delete.GetCondition())
		}
		out[i] = op
	}
	return out
}

func resultsToProto(results []storage.BatchResult) []*storagev1.BatchResult {
	out := make([]*storagev1.BatchResult, len(results))
	for i, r := range results {
		if r.Err != nil {
			out[i] = &storagev1.BatchResult{Error: errorToProto(r.Err)}
			continue
		}
		out[i] = &storagev1.BatchResult{
			Object: objectToProto(r.Object), Value: r.Value,
			Created: tristateToProto(r.Created), Existed: tristateToProto(r.Existed),
		}
	}
	return out
}

func resultsFromProto(results []*storagev1.BatchResult) []storage.BatchResult {
	out := make([]storage.BatchResult, len(results))
	for i, p := range results {
		if p.GetError() != nil {
			out[i].Err = errorFromProto(p.GetError())
			continue
		}
		out[i] = storage.BatchResult{
			Object: objectFromProto(p.GetObject()), Value: p.GetValue(),
			Created: tristateFromProto(p.GetCreated()), Existed: tristateFromProto(p.GetExisted()),
		}
	}
	return out
}

// keysOf returns the keys a list of operations writes.
func keysOf(ops []storage.BatchOp) []string {
	var keys []string
	for _, op := range ops {
		if op.Kind == storage.BatchPut || op.Kind == storage.BatchDelete {
			keys = append(keys, op.Key)
		}
	}
	return keys
}
