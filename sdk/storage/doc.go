// Package storage is the contract of Stowage: what a storage backend promises
// and what its caller may rely on.
//
// Everything that stores is a [Backend]: a plugin's implementation, the client
// of a plugin process, a retry layer, a routing policy, a whole host. Authors
// implement the seven methods of Backend and those optional interfaces their
// system can honour ([Batcher], [Watcher], [Transactor], [Copier],
// [HealthChecker]). Callers hold a [Store], which has every operation:
// [Complete] turns any Backend into one, checks arguments before they reach
// the implementation, emulates the harmless operations it lacks and answers
// Unimplemented for the others.
//
// # Guarantees to implementers
//
// Behind [Complete] (and so behind the SDK's server, which applies it) a
// Backend sees only keys, options and metadata that this package's Validate
// functions accept, only conditions, TTLs and consistency levels that its
// [Capabilities] declare, and bodies no longer than its MaxValueSize.
//
// # Guarantees to callers
//
//   - A Put is atomic when it returns: every later Get sees the new value, its
//     metadata, content type and expiry together, or those of a later write. A
//     Put that fails before it commits leaves the old value.
//   - A write that returned without error survives a crash of the process
//     when [Capabilities].Durable says so.
//   - An error says what is known. Where a write may or may not have happened,
//     [Error].OutcomeUnknown is set; a backend never guesses.
//   - Values are streamed. Nothing needs to hold a whole value in memory.
//   - The read of a whole value is checked against its CRC-32C; a mismatch is
//     DataLoss, and the last bytes are withheld, so that a damaged value is
//     never taken for a whole one.
//
// # Concurrency
//
// Every method of every type here that talks to a backend is safe for
// concurrent use. Writes to one key that do not overlap in time reach a
// backend in the order in which they were made, also when the earlier one was
// given up by its caller: a write of unknown outcome never lands over a later
// acknowledged one.
//
// Options and results are plain values. A backend must not keep or change
// slices and maps it was given, and a caller may keep those it received.
package storage
