// Package api is the HTTP front of a running host: objects under
// /v1/objects/{key}, the listing at /v1/objects, /v1/status, /healthz, /readyz
// and /metrics. docs/http-api.md describes it for those who call it.
//
// The front adds no meaning of its own to storage: it turns a request into one
// operation of a [storage.Store], and what that answers into RFC 9110. A GET is
// one version of the object from the first header to the last byte, conditions
// of writes are decided by the store at its commit, and bodies stream both ways
// through buffers of 32 KiB.
//
// # Bounds
//
// Everything a stranger can make the process hold is bounded by [Options]: the
// requests served at once, the connections open at once, the bytes and the
// time of a header, the time in which a body must move on. When connections
// run out, those without a running request make room, the longest quiet first,
// so that silent ones cannot keep others out.
//
// # Who is let in
//
// A request must name a host that is ours: a loopback name, the address it
// arrived at, or one of [Options.AllowedHosts]. Otherwise a web page could
// reach the host through a name it controls. A listener beyond loopback exists
// only with TLS and with bearer tokens or client certificates.
package api
