package storetest

import (
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// A write of unknown outcome may happen at any time after its beginning, and each
// of them doubles what a checker has to try. Two things help.

// tighten ends puts of unknown outcome where somebody saw their value: no two puts
// have the same, so they happened before.
func tighten(history []porcupine.Operation) {
	seen := make(map[int]int64)
	see := func(id int, at int64) {
		if first, known := seen[id]; !known || at < first {
			seen[id] = at
		}
	}
	for _, op := range history {
		e, _ := op.Input.(record)
		switch {
		case e.outcome == done && !e.writes():
			see(e.reply.id, op.Return)
		case e.outcome == done && e.cond.Kind == storage.ConditionETag:
			see(e.expect, op.Return)
		case e.outcome == refused && e.known:
			see(e.current, op.Return)
		}
	}
	for i, op := range history {
		e, _ := op.Input.(record)
		if at, known := seen[e.request.id]; known && e.op == "put" && e.outcome == unknown {
			history[i].Return = max(min(op.Return, at), op.Call)
		}
	}
}

// unknownAndUnseen reports whether an operation may never have happened as far as
// the others tell.
func unknownAndUnseen(op porcupine.Operation) bool {
	e, _ := op.Input.(record)
	return e.outcome == unknown && op.Return == never
}

// judgeKey checks the history of one key.
func judgeKey(model porcupine.Model, history []porcupine.Operation, limit time.Duration) (porcupine.CheckResult, porcupine.LinearizationInfo) {
	tighten(history)
	var certain, puts []porcupine.Operation
	for _, op := range history {
		e, _ := op.Input.(record)
		if !unknownAndUnseen(op) {
			certain = append(certain, op)
		}
		if !unknownAndUnseen(op) || e.op == "delete" {
			puts = append(puts, op)
		}
	}
	// What is linearizable without those that may never have happened is so with
	// them, and is found out sooner.
	for _, some := range [][]porcupine.Operation{certain, puts} {
		if result, info := porcupine.CheckOperationsVerbose(model, some, limit/3); result == porcupine.Ok {
			return result, info
		}
	}
	return porcupine.CheckOperationsVerbose(model, history, limit)
}
