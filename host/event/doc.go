// Package event is the one place where the host can be observed: a [Listener]
// is a struct of functions, each called when something of its kind happened.
//
// Metrics, logs and traces are Listeners; [Combine] makes one of several. There
// is no other hook, and no part of the host knows who listens.
package event
