// Package routing decides which backend an operation goes to: policies, which
// are stores made of other stores, and the route table above them.
//
// A policy is a [Kind]: a name for the configuration, a struct that says what
// may be configured, and a function that builds a store from named children.
// A child is a backend or another policy, so policies nest. [Kinds] lists
// those that exist.
//
// A rule holds for all of them: NotFound is an answer only if every backend
// that could hold the key gave it. Otherwise the key's state is not known and
// the error is Unavailable. A listing follows the same rule.
//
// Policies and tables do not own their children: Close leaves them alone.
package routing
