// Package stock is what hashicorp/go-plugin gives without Stowage: a plugin
// with a unary gRPC service over a map, with the default settings of go-plugin
// and grpc. It is the measure that the benchmark compares with.
//
// It does less than a storage backend: no conditions, no checksums, no
// metadata, no streaming, no deadlines. The only setting that is not the default
// is the server's limit on received messages, without which it would refuse
// values of 4 MiB.
package stock

import (
	"context"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// MaxReceive is the largest message the plugin takes, in bytes.
const MaxReceive = 64 << 20

const pluginName = "stock"

func handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion: 1, MagicCookieKey: "STOWAGE_STOCK_PLUGIN", MagicCookieValue: "measure",
	}
}

// Serve is the main function of the plugin's process. It returns when the host
// ends it.
func Serve() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: handshake(),
		Plugins:         plugin.PluginSet{pluginName: &grpcPlugin{}},
		Logger:          hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return plugin.DefaultGRPCServer(append(opts, grpc.MaxRecvMsgSize(MaxReceive)))
		},
	})
}

// Plugin is a running plugin process, seen from the host. Its methods are safe
// for concurrent use.
type Plugin struct {
	process *plugin.Client
	client  *client
}

// Launch starts cmd, which must call Serve.
func Launch(cmd *exec.Cmd) (*Plugin, error) {
	process := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake(),
		Plugins:          plugin.PluginSet{pluginName: &grpcPlugin{}},
		Cmd:              cmd,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
	})
	protocol, err := process.Client()
	if err == nil {
		var dispensed any
		if dispensed, err = protocol.Dispense(pluginName); err == nil {
			return &Plugin{process, dispensed.(*client)}, nil
		}
	}
	process.Kill()
	return nil, err
}

// Put stores value under key.
func (p *Plugin) Put(ctx context.Context, key string, value []byte) error {
	return p.client.put(ctx, key, value)
}

// Get returns what is stored under key. The caller owns it.
func (p *Plugin) Get(ctx context.Context, key string) ([]byte, error) {
	return p.client.get(ctx, key)
}

// Close ends the process.
func (p *Plugin) Close() { p.process.Kill() }
