// Package layer wraps a storage.Store with what a caller of a backend wants
// and no backend should have to do itself: deadlines, retries, a circuit
// breaker, a bound on concurrency, measurements, names in errors.
//
// Each layer is a function from Store to Store, in a file of its own, and can
// be used alone; [Stack] puts them in the order in which they belong:
//
//	Named        errors say backend and plugin
//	Measure      one event for each operation, however many attempts it took
//	Retry        attempts, within a budget for the whole host
//	Concurrency  a slot for each attempt
//	Breaker      refuses attempts while the backend is down
//	Timeout      bounds each attempt
//	the backend
//
// A wait between attempts holds no slot, a full queue does not speak against
// the backend, and a retry finds the breaker as it is then.
//
// No layer lets an operation run on after it returned: an attempt that times
// out is told so through its context and then waited for. So operations on one
// key do not overtake one another here.
package layer
