// Package metrics counts what the host does.
//
// A [Recorder] is fed through its event.Listener and read in two ways: as a
// plain struct for programs and the command line ([Recorder.Snapshot]), and as
// a Prometheus page ([Recorder.Handler]). Both show the same counters. Its
// memory is bounded: a fixed number of histogram buckets for each operation of
// each backend, and at most [MaxBackends] backends.
package metrics
