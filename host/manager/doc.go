// Package manager makes what runs agree with what is configured: it finds and
// describes plugins, starts their processes, opens the backends, builds the
// policies and routes over them, and takes all of it down again.
//
// One bad part never stops the others. A binary that cannot be described is
// quarantined; a backend that cannot be opened is out of service, with a
// reason, and is tried again with growing pauses; a process that ends takes its
// backends out of service until its successor has opened them again.
package manager
