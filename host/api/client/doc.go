// Package client is a storage.Backend over the HTTP API of a running host.
//
// Values stream in both directions and are checked end to end: what is read
// against the checksum the host keeps, and what was written against the one it
// answers with. Errors are those of the host, with their code, the current
// etag, the outcome of a write and the time to wait.
//
// What HTTP does not carry, watching, transactions and atomic batches, is
// Unimplemented. Conditions, expiry and levels of consistency are declared as
// capabilities, since only the host knows, and it answers Unimplemented to
// what its backends cannot do. Metadata with reserved names does not pass.
//
// A write that was given up after all of it had been sent says that its outcome
// is unknown. HTTP has no way to call it back: it may still land after a later
// write that took another connection.
package client
