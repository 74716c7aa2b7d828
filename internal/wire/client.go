package wire

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	pluginv1 "github.com/p2p-ai-agents/stowage/proto/stowage/plugin/v1"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Client is a Plugin at the other end of a connection. It does not own the
// connection.
type Client struct {
	control pluginv1.PluginClient
	conn    grpc.ClientConnInterface
	chunks  sync.Pool // *[chunkBytes]byte
}

// NewClient returns a Client over conn, which should have [DialOptions].
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{
		control: pluginv1.NewPluginClient(conn), conn: conn,
		chunks: sync.Pool{New: func() any { return new([chunkBytes]byte) }},
	}
}

// Describe implements Plugin.
func (c *Client) Describe(ctx context.Context) (*Description, error) {
	resp, err := c.control.Describe(ctx, &pluginv1.DescribeRequest{})
	if err != nil {
		return nil, callError(ctx.Err, err, "describe", "", false)
	}
	d, err := descriptionFromProto(resp)
	if err != nil {
		return nil, storage.Annotate(storage.Errorf(storage.CodeInternal, "the plugin's description: %w", err), "describe", "")
	}
	return d, nil
}

// Validate implements Plugin.
func (c *Client) Validate(ctx context.Context, name string, config []byte) (schema.Diagnostics, error) {
	resp, err := c.control.Validate(ctx, &pluginv1.ValidateRequest{Name: name, ConfigJson: config})
	if err != nil {
		return nil, callError(ctx.Err, err, "validate", "", false)
	}
	return diagnosticsFromProto(resp.GetDiagnostics()), nil
}

// Open implements Plugin. The Store's Close closes the backend in the process.
func (c *Client) Open(ctx context.Context, req OpenRequest) (storage.Store, schema.Diagnostics, error) {
	resp, err := c.control.Open(ctx, &pluginv1.OpenRequest{Id: req.ID, Name: req.Name, ConfigJson: req.Config, StateDir: req.StateDir})
	if err != nil {
		return nil, nil, callError(ctx.Err, err, "open", "", false)
	}
	diags := diagnosticsFromProto(resp.GetDiagnostics())
	if diags.HasErrors() {
		return nil, diags, nil
	}
	if resp.GetCapabilities() == nil {
		err := storage.Errorf(storage.CodeInternal, "the plugin opened backend %q without saying what it can do", req.Name)
		return nil, diags, storage.Annotate(errors.Join(err, c.closeBackend(ctx, req.ID)), "open", "")
	}
	return storage.Complete(newClientStore(c, req.ID, capabilitiesFromProto(resp.GetCapabilities()))), diags, nil
}

// Health implements Plugin.
func (c *Client) Health(ctx context.Context) (map[string]error, error) {
	resp, err := c.control.Health(ctx, &pluginv1.HealthRequest{})
	if err != nil {
		return nil, callError(ctx.Err, err, "health", "", false)
	}
	health := make(map[string]error, len(resp.GetBackends()))
	for _, b := range resp.GetBackends() {
		health[b.GetId()] = nil
		if b.GetError() != nil {
			health[b.GetId()] = errorFromProto(b.GetError())
		}
	}
	return health, nil
}

// Shutdown implements Plugin.
func (c *Client) Shutdown(ctx context.Context, grace time.Duration) error {
	_, err := c.control.Shutdown(ctx, &pluginv1.ShutdownRequest{Grace: durationpb.New(grace)})
	return callError(ctx.Err, err, "shutdown", "", false)
}

func (c *Client) closeBackend(ctx context.Context, id string) error {
	_, err := c.control.CloseBackend(ctx, &pluginv1.CloseBackendRequest{Id: id})
	return callError(ctx.Err, err, "close", "", false)
}
