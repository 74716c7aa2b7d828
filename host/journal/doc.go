// Package journal remembers on disk what policies still owe to their children:
// writes that a child has not been given, or whose outcome at it is not known.
//
// A policy begins an [Intent] before it sends a write, tells it how each child
// fared, and waits for it to be durable before it acknowledges a write that some
// child may lack. What is left of an intent after that, or after the host was
// killed at any point, is a debt: the policy looks at the key again and gives
// the child what it lacks. A debt names a key and a version, never a value,
// which another child holds; so the newest debt of a child and key stands for
// all before it, and giving a child the newest version pays them all, in order.
//
// Debts are bounded in bytes and age, for each child. Beyond the bounds the
// child is marked dirty instead, durably, and its debts are dropped: it has to
// be scanned as a whole. While a child is dirty its missed writes are not
// written down; each makes the mark move on, so that a scan that may have passed
// the key already does not take the mark back.
//
// Memory is the truth while the journal is open, and the disk what a new one
// starts from. What changes is queued as "this entry" rather than "this step",
// and one goroutine writes the present state of all that is queued, with one
// sync: so syncs are shared by all intents that wait at the time, an intent that
// ends before its turn is never written, and a disk that stalls holds up only
// those who wait for it.
//
// A disk that fails to write ends the journal: from then on nothing can be
// made durable, everything that has to be is refused, and no byte reaches the
// directory. Opening it again recovers what was durable.
package journal
