// Package sdk is what the author of a storage plugin calls: describe the plugin
// in a [Plugin] value and give it to [Serve] in main.
//
//	func main() {
//		sdk.Serve(sdk.Plugin{
//			Name:        "memo",
//			Version:     "0.1.0",
//			Description: "Keeps objects in memory.",
//			Config:      Config{},
//			Open:        open,
//		})
//	}
//
// Package storage has the contract a backend keeps, package schema the tags of
// the configuration struct, package storagetest the suite that checks a backend
// against the contract.
//
// # What the SDK takes care of
//
// A plugin runs as a child process of a host and ends with it, also when the
// host is killed. What the backend is given has been validated
// ([storage.Complete]); a panic in one of its methods becomes an Internal error
// of that call; writes to one key reach it one at a time. Everything written to
// standard output and standard error, by log/slog, package log or fmt, arrives
// in the host's log; records of log/slog keep their level and attributes.
package sdk
