package event

import (
	"reflect"
	"slices"
	"testing"
)

// Every function of a Listener must be reached through Combine and
// WithDefaults, also those that are added later.
func TestEveryFunctionIsCombinedAndDefaulted(t *testing.T) {
	kinds := reflect.TypeFor[Listener]()
	for i := range kinds.NumField() {
		t.Run(kinds.Field(i).Name, func(t *testing.T) {
			var calls []string
			listening := func(name string) Listener {
				var l Listener
				f := reflect.ValueOf(&l).Elem().Field(i)
				f.Set(reflect.MakeFunc(f.Type(), func([]reflect.Value) []reflect.Value {
					calls = append(calls, name)
					return nil
				}))
				return l
			}
			call := func(l Listener) {
				f := reflect.ValueOf(l).Field(i)
				f.Call([]reflect.Value{reflect.Zero(f.Type().In(0))})
			}

			call(Combine(listening("first"), Listener{}, listening("second")))
			if want := []string{"first", "second"}; !slices.Equal(calls, want) {
				t.Errorf("combined listeners were called as %q, want %q", calls, want)
			}
			calls = nil
			call(Combine(Listener{}, listening("only")))
			if want := []string{"only"}; !slices.Equal(calls, want) {
				t.Errorf("one combined listener was called as %q, want %q", calls, want)
			}
			if !reflect.ValueOf(Combine(Listener{}, Listener{})).Field(i).IsNil() {
				t.Error("combining listeners that do not listen gave a function")
			}
			call(Listener{}.WithDefaults()) // must not panic
			calls = nil
			call(listening("kept").WithDefaults())
			if want := []string{"kept"}; !slices.Equal(calls, want) {
				t.Errorf("WithDefaults: called %q, want %q", calls, want)
			}
		})
	}
}

func TestOperationIsToldWithoutAllocation(t *testing.T) {
	count := 0
	l := Combine(
		Listener{Operation: func(OperationInfo) { count++ }},
		Listener{Operation: func(i OperationInfo) { count += int(i.BytesRead) }},
	)
	allocs := testing.AllocsPerRun(100, func() { l.Operation(OperationInfo{Backend: "b", Op: OpGet, BytesRead: 1}) })
	if allocs != 0 {
		t.Errorf("telling an operation allocates %v times", allocs)
	}
	if count == 0 {
		t.Error("nobody was told")
	}
}

func TestNamesOfOperations(t *testing.T) {
	seen := map[string]bool{}
	for op := range NumOps {
		name := op.String()
		if name == "" || name == "unknown" || seen[name] {
			t.Errorf("operation %d has the name %q", op, name)
		}
		seen[name] = true
	}
	if got := NumOps.String(); got != "unknown" {
		t.Errorf("an operation that does not exist is called %q", got)
	}
}
