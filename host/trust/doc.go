// Package trust decides whether a file may run as a plugin, and makes sure that the bytes that were judged are the bytes
// that run.
//
// [Policy.Open] opens a file once and judges that open file: regular, executable, owned by root or by the host's user,
// writable by nobody else, and the same for every directory that was passed on the way to it, symbolic links included.
// [Binary.Digest] hashes the open file. [Store.Prepare] turns it into a path to launch.
//
// # Why a private copy
//
// A check followed by an exec of the same path leaves a gap in which the file can be replaced. Executing
// /proc/self/fd/N closes the gap for a replaced file but not for one that is rewritten in place, because the descriptor
// names the inode, not its bytes; and a binary that is being launched that way cannot be upgraded in place (ETXTBSY).
// A sealed memfd would freeze the bytes, at the price of holding every binary in memory, and some kernels forbid
// running one. So a binary is copied into a directory that only the host can write, under the name of its SHA-256, and
// hashed while it is copied: what runs is what was judged, the operator may replace the original at any time, and a
// restart runs the same bytes even when the original has gone. The copy costs its size in disk space once per version.
//
// A copied script or a binary linked with $ORIGIN does not find its neighbours: a plugin is one self-contained file.
package trust
