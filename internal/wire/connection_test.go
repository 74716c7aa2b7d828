package wire

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// fakePlugin opens backend, completed and contained as the SDK does it.
type fakePlugin struct {
	Plugin
	backend func() storage.Backend
	diags   schema.Diagnostics
}

func (p *fakePlugin) Describe(context.Context) (*Description, error) {
	return &Description{Name: "fake", Version: "1.2.3", ProtocolMin: 1, ProtocolMax: 1, Config: &schema.Schema{}}, nil
}

func (p *fakePlugin) Validate(context.Context, string, []byte) (schema.Diagnostics, error) {
	return p.diags, nil
}

func (p *fakePlugin) Open(context.Context, OpenRequest) (storage.Store, schema.Diagnostics, error) {
	if p.diags.HasErrors() {
		return nil, p.diags, nil
	}
	return Contain(storage.Complete(p.backend()), slog.New(slog.DiscardHandler)), p.diags, nil
}

// listen serves g on a unix socket of its own and returns its path.
func listen(t testing.TB, g *grpc.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return path
}

func dial(t testing.TB, path string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+path, append(DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// connect serves p and returns a client of it and the connection.
func connect(t testing.TB, p Plugin) (*Client, *grpc.ClientConn) {
	t.Helper()
	g := grpc.NewServer(ServerOptions()...)
	NewServer(p, slog.New(slog.DiscardHandler)).Register(g)
	conn := dial(t, listen(t, g))
	return NewClient(conn), conn
}

// open returns backend as seen through the wire.
func open(t testing.TB, backend storage.Backend) storage.Store {
	t.Helper()
	store, _ := openConn(t, backend)
	return store
}

func openConn(t testing.TB, backend storage.Backend) (storage.Store, *grpc.ClientConn) {
	t.Helper()
	client, conn := connect(t, &fakePlugin{backend: func() storage.Backend { return backend }})
	store, diags, err := client.Open(t.Context(), OpenRequest{ID: "b1", Name: "disk", Config: []byte("{}")})
	if err != nil || len(diags) > 0 {
		t.Fatalf("open: %v, %v", diags, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := store.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store, conn
}
