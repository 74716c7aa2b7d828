// Package supabase stores objects in a Supabase project: rows of a table, by way
// of functions that PostgREST exposes, and large values as objects of Supabase
// Storage.
//
// # What a write does
//
// Every operation is one call of a database function and one transaction, so
// conditions are decided where the data is. A write carries a request id, which
// the database keeps with the change: a request that arrives twice finds what it
// did the first time. It also carries the writer's epoch. When the outcome of a
// write stays unknown (its caller gave up, say), the next write to that key first
// begins a new epoch, and the database refuses what still arrives from the old
// one. So a late request never lands over a later acknowledged write.
//
// Nothing is acknowledged that is not committed, and nothing is kept in memory
// instead.
//
// # Large values
//
// A value over the inline limit is first spooled to a file without a name, then
// uploaded under a new unique name, then pointed to by the row, in the same
// conditional write as every other. An object that is no longer pointed to is
// written down in the transaction that replaced it, and deleted after a grace
// period. Objects that never were pointed to are found by listing the bucket.
package supabase
