package storetest

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// record is an operation of a history: what was asked and what was answered.
type record struct {
	request
	reply
	// current is the value that reply.current belongs to, and known whether
	// that is known.
	current int
	known   bool
}

// states are the values that a key can have, in ascending order.
type states []int

func (s states) encode() string {
	b := make([]byte, 0, 4*len(s))
	for _, id := range s {
		b = binary.BigEndian.AppendUint32(b, uint32(id)) //nolint:gosec // small
	}
	return string(b)
}

func decode(s string) states {
	var all states
	for ; s != ""; s = s[4:] {
		all = append(all, int(binary.BigEndian.Uint32([]byte(s))))
	}
	return all
}

// register is a key with one value, which is linearizable if it behaves as if
// each operation happened at one moment between its beginning and its end. One of
// unknown outcome may have happened or not, so the state is a set.
func register() porcupine.Model {
	seed := maphash.MakeSeed()
	return porcupine.Model{
		Partition: byKey,
		Init:      func() any { return states{absent}.encode() },
		Step: func(state, input, _ any) (bool, any) {
			before, _ := state.(string)
			e, _ := input.(record)
			var after states
			for _, id := range decode(before) {
				after = append(after, e.after(id)...)
			}
			slices.Sort(after)
			return len(after) > 0, slices.Compact(after).encode()
		},
		Hash: func(state any) uint64 {
			s, _ := state.(string)
			return maphash.String(seed, s)
		},
		DescribeOperation: func(input, _ any) string {
			e, _ := input.(record)
			return fmt.Sprintf("%v → %v", e.request, e.reply)
		},
		DescribeState: func(state any) string {
			s, _ := state.(string)
			return fmt.Sprint(decode(s))
		},
	}
}

// after returns the values the key can have after e if it had id before: none if
// e could not have been answered so.
func (e record) after(id int) []int {
	if !e.writes() {
		if e.reply.id == id {
			return []int{id}
		}
		return nil
	}
	holds := true
	switch e.cond.Kind {
	case storage.ConditionAbsent:
		holds = id == absent
	case storage.ConditionExists:
		holds = id != absent
	case storage.ConditionETag:
		holds = id == e.expect
	}
	if e.op == "delete" && e.cond.Kind != storage.ConditionNone {
		holds = holds && id != absent
	}
	written := absent
	if e.op == "put" {
		written = e.request.id
	}
	switch {
	case e.outcome == unknown && holds:
		return []int{id, written}
	case e.outcome == unknown:
		return []int{id}
	case e.outcome == refused && (holds || e.known && e.current != id):
		return nil
	case e.outcome == refused:
		return []int{id}
	case !holds, e.existed == storage.Yes && id == absent || e.existed == storage.No && id != absent:
		return nil
	default:
		return []int{written}
	}
}

func byKey(history []porcupine.Operation) [][]porcupine.Operation {
	var all [][]porcupine.Operation
	place := make(map[string]int)
	for _, op := range history {
		e, _ := op.Input.(record)
		i, ok := place[e.key]
		if !ok {
			i = len(all)
			place[e.key] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], op)
	}
	return all
}

// around lists those operations of one key that are near the first one that the
// checker could not place, in the order of their beginnings.
func around(history []porcupine.Operation, info porcupine.LinearizationInfo) string {
	const before, after = 40, 8
	history = slices.Clone(history)
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	placed := make(map[int64]bool)
	for _, all := range info.PartialLinearizationsOperations() {
		for _, some := range all {
			if len(some) > len(placed) {
				clear(placed)
				for _, op := range some {
					placed[op.Call] = true
				}
			}
		}
	}
	stuck := slices.IndexFunc(history, func(op porcupine.Operation) bool { return !placed[op.Call] && op.Return != never })
	var b strings.Builder
	for i, op := range history {
		if i < stuck-before || i > stuck+after {
			continue
		}
		mark := "  "
		if i == stuck {
			mark = "? "
		}
		e, _ := op.Input.(record)
		end := fmt.Sprint(op.Return)
		if op.Return == never {
			end = "?"
		}
		fmt.Fprintf(&b, "%s%6d to %6s  client %2d  %v → %v\n", mark, op.Call, end, op.ClientId, e.request, e.reply)
	}
	return b.String()
}
