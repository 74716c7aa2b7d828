// Package wire is the boundary between a host and a plugin process: the
// storage contract and the plugin's control operations, carried by the gRPC
// services of proto/ over a hashicorp/go-plugin connection.
//
// [Server] serves a [Plugin], [Client] is a Plugin served elsewhere; what
// [Client.Open] returns is a storage.Store like any other. Conversions between
// contract and protocol stand in the convert files and exist once.
package wire
