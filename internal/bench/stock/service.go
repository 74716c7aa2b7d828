package stock

import (
	"context"
	"sync"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	serviceName = "stowage.bench.Stock"
	getMethod   = "/" + serviceName + "/Get"
	putMethod   = "/" + serviceName + "/Put"
)

type grpcPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(serviceDesc(), &server{values: make(map[string][]byte)})
	return nil
}

func (grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &client{conn}, nil
}

// serviceDesc is what protoc-gen-go-grpc would make of
//
//	rpc Get(google.protobuf.StringValue) returns (google.protobuf.BytesValue);
//	rpc Put(google.protobuf.Any) returns (google.protobuf.Empty);
//
// Any is, on the wire, a string and bytes: here the key and the value.
func serviceDesc() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*service)(nil),
		Methods: []grpc.MethodDesc{
			{MethodName: "Get", Handler: handleGet},
			{MethodName: "Put", Handler: handlePut},
		},
	}
}

type service interface {
	get(context.Context, *wrapperspb.StringValue) (*wrapperspb.BytesValue, error)
	put(context.Context, *anypb.Any) (*emptypb.Empty, error)
}

func handleGet(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc gives the order of the arguments
	in := new(wrapperspb.StringValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	if intercept == nil {
		return srv.(service).get(ctx, in)
	}
	return intercept(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: getMethod}, func(ctx context.Context, req any) (any, error) {
		return srv.(service).get(ctx, req.(*wrapperspb.StringValue))
	})
}

func handlePut(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc gives the order of the arguments
	in := new(anypb.Any)
	if err := decode(in); err != nil {
		return nil, err
	}
	if intercept == nil {
		return srv.(service).put(ctx, in)
	}
	return intercept(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: putMethod}, func(ctx context.Context, req any) (any, error) {
		return srv.(service).put(ctx, req.(*anypb.Any))
	})
}

type server struct {
	mu     sync.RWMutex
	values map[string][]byte
}

func (s *server) get(_ context.Context, key *wrapperspb.StringValue) (*wrapperspb.BytesValue, error) {
	s.mu.RLock()
	value, ok := s.values[key.GetValue()]
	s.mu.RUnlock()
	if !ok {
		return nil, status.Error(codes.NotFound, "not found")
	}
	return wrapperspb.Bytes(value), nil
}

func (s *server) put(_ context.Context, entry *anypb.Any) (*emptypb.Empty, error) {
	s.mu.Lock()
	s.values[entry.GetTypeUrl()] = entry.GetValue()
	s.mu.Unlock()
	return new(emptypb.Empty), nil
}

type client struct{ conn *grpc.ClientConn }

func (c *client) get(ctx context.Context, key string) ([]byte, error) {
	out := new(wrapperspb.BytesValue)
	err := c.conn.Invoke(ctx, getMethod, wrapperspb.String(key), out)
	return out.GetValue(), err
}

func (c *client) put(ctx context.Context, key string, value []byte) error {
	return c.conn.Invoke(ctx, putMethod, &anypb.Any{TypeUrl: key, Value: value}, new(emptypb.Empty))
}
