// Package local stores objects on this machine: in memory, or in a directory
// on disk.
//
// Both are one store with the whole of the storage contract (conditions,
// expiry, ranges, ordered listings, atomic batches, transactions, watching,
// copying) over an engine that keeps records and values:
//
//   - the memory engine is a map with an ordered index beside it;
//   - the disk engine keeps records, small values and the log of changes in an
//     embedded ordered database (pebble), and every large value in a file of
//     its own, named by the version and never by the key.
//
// # What a write does
//
// The body is staged first, without any lock: in memory, in a buffer, or in a
// file that is synced. Then the key is locked, the condition evaluated and the
// change committed. On disk the commit is one synced batch of the index, which
// is the only thing that makes a version exist; whatever else is found in the
// directory is an orphan and is removed. Writers of different keys share
// syncs.
//
// # What a read sees
//
// The newest version whose commit has ended: a version that is still being
// synced is shown when it is safe, so nothing that was read is ever lost in a
// crash.
package local
