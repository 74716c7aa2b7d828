// Package storetest drives stores that are made of other stores, which are the
// routing policies, through faults, and finds out whether they kept their
// promises. It is for tests alone.
//
//   - A [Child] is a durable store that fails on command or by chance: before an
//     operation, after its commit, in mid-stream, by crashing, by hanging.
//   - [RunModel] draws operations, faults and restarts of the host one after the
//     other and compares every answer with a model of what is possible.
//   - [RunLinearizable] lets concurrent callers loose while children fail, and
//     has the history checked for linearizability.
//
// Both run in a testing/synctest bubble: children take their time, but it is not
// the test's. A store under test that holds a sync.Mutex while it calls a child
// stops the bubble's clock, and so the test.
package storetest
