package wire

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// PluginKey is the name under which a process dispenses its Plugin.
const PluginKey = "stowage"

// Handshake is what makes a binary recognisable as a Stowage plugin.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  ProtocolVersion,
		MagicCookieKey:   "STOWAGE_PLUGIN",
		MagicCookieValue: "b3f1c2d7-storage-plugin",
	}
}

// ClientPlugins is the VersionedPlugins of a host: dispensing [PluginKey] gives
// a [*Client].
func ClientPlugins() map[int]plugin.PluginSet { return pluginSets(nil) }

// ServerPlugins is the VersionedPlugins of a process that serves s.
func ServerPlugins(s *Server) map[int]plugin.PluginSet { return pluginSets(s) }

func pluginSets(s *Server) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{ProtocolVersion: {PluginKey: &grpcPlugin{server: s}}}
}

// DialOptions are the options of a host's connection.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessageBytes), grpc.MaxCallSendMsgSize(MaxMessageBytes)),
		grpc.WithMaxHeaderListSize(64 << 10),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
	}
}

// ServerOptions are the options of a process's gRPC server.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessageBytes),
		grpc.MaxSendMsgSize(MaxMessageBytes),
		grpc.MaxConcurrentStreams(MaxConcurrentCalls),
		grpc.MaxHeaderListSize(64 << 10),
	}
}

// NewGRPCServer is the GRPCServer of a plugin process. opts are those go-plugin
// adds: transport credentials when the host asked for TLS. Without TLS the
// server answers its parent process only, where the system can tell.
func NewGRPCServer(opts []grpc.ServerOption) *grpc.Server {
	if len(opts) == 0 {
		opts = parentOnly()
	}
	return grpc.NewServer(append(opts, ServerOptions()...)...)
}

type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server *Server
}

func (p *grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if p.server == nil {
		return errors.New("this side serves no plugin")
	}
	p.server.Register(s)
	return nil
}

func (p *grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return NewClient(conn), nil
}
