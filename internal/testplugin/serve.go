package main

import (
	"context"
	"os"

	"github.com/hashicorp/go-plugin"

	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// serve is what every plugin's main ends with, unless it was told to be another program's plugin or to speak another
// protocol; the SDK does neither.
func serve(ask request) {
	if _, ok := ask["foreign"]; ok {
		serveAs(plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "OTHER_PLUGIN", MagicCookieValue: "other"})
		return
	}
	if n := ask.number("version"); n > 0 {
		const key = "STOWAGE_PLUGIN"
		serveAs(plugin.HandshakeConfig{ProtocolVersion: uint(n), MagicCookieKey: key, MagicCookieValue: os.Getenv(key)})
		return
	}
	if _, ok := ask["stubborn"]; ok {
		// The SDK then reads a pipe that never ends.
		r, w, err := os.Pipe()
		if err != nil {
			panic(err)
		}
		defer w.Close()
		os.Stdin = r
	}
	sdk.Serve(sdk.Plugin{
		Name: name, Version: version, Description: "Misbehaves on request.",
		Config: config{},
		Open: func(_ context.Context, in sdk.Instance) (storage.Backend, error) {
			c := in.Config.(*config) //nolint:forcetypeassert // the SDK gives what Config is
			return newMemory(*c), nil
		},
	})
}

func serveAs(handshake plugin.HandshakeConfig) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         plugin.PluginSet{"stowage": &plugin.NetRPCUnsupportedPlugin{}},
		GRPCServer:      plugin.DefaultGRPCServer,
	})
}
