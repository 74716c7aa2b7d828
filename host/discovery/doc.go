// Package discovery finds plugin binaries in folders and decides which of several versions serves.
//
// [Scanner.Scan] reads every folder and reports every entry it meets: a [Candidate] that may be launched, a Candidate
// with the reason why it may not, or a [Skipped] entry with the reason why it is no plugin at all. Nothing is passed over
// in silence. Scanning launches nothing; name and version of a plugin are known for certain only from what the process
// says of itself, which [CheckIdentity] compares with the file name and [Choose] decides on.
package discovery
