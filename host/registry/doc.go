// Package registry holds the backends that serve, by name, and lets one take
// the place of another while requests run.
//
// A [Registry] is an immutable snapshot behind an atomic pointer. A request
// takes a [Lease] on the current generation of a backend, which costs two
// atomic operations and no lock. [Registry.Swap] publishes the next generation
// and retires the one before; [Generation.Drain] waits until its leases are
// returned, and then its owner closes it. A generation that is being retired
// gives no more leases: a request that comes upon it takes the next one.
//
// A backend that cannot exist twice is handed over with [Registry.Pause]: new
// requests wait, bounded in number and time, until the successor is swapped in.
//
// [Registry.Handle] wraps all of it as a storage.Store that takes one lease
// for each operation; streams and watches hold theirs until they are closed.
package registry
