package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/p2p-ai-agents/stowage/internal/wire"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// build compiles testdata/plugin.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "stowage-plugin-memo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./testdata/plugin").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// eventually polls for what another process does.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("never happened: %s", what)
		}
	}
}

func TestServe(t *testing.T) {
	binary := build(t)
	t.Run("as a child of a host", func(t *testing.T) { testChild(t, binary) })
	t.Run("by hand", func(t *testing.T) { testByHand(t, binary) })
	t.Run("until the host dies", func(t *testing.T) { testDeathPipe(t, binary) })
}

func testChild(t *testing.T, binary string) {
	var raw, log lockedBuffer
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: wire.Handshake(), VersionedPlugins: wire.ClientPlugins(), GRPCDialOptions: wire.DialOptions(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, Cmd: exec.CommandContext(t.Context(), binary),
		Stderr: &raw, SyncStdout: &raw, SyncStderr: &raw,
		Logger: hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Trace, JSONFormat: true}),
	})
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		t.Fatal(err)
	}
	dispensed, err := protocol.Dispense(wire.PluginKey)
	if err != nil {
		t.Fatal(err)
	}
	p := dispensed.(wire.Plugin)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	d, err := p.Describe(ctx)
	if err != nil || d.Name != "memo" || d.Version != "0.1.0" || d.Config.Attribute("greeting") == nil {
		t.Fatalf("describe: %+v, %v", d, err)
	}
	diags, err := p.Validate(ctx, "disk", []byte(`{"greeting":"rude"}`))
	if err != nil || !diags.HasErrors() {
		t.Errorf("validate let a rude greeting through: %v, %v", diags, err)
	}
	dir := t.TempDir()
	store, diags, err := p.Open(ctx, wire.OpenRequest{ID: "1", Name: "disk", Config: []byte(`{"greeting":"hello"}`), StateDir: dir})
	if err != nil || diags.HasErrors() {
		t.Fatalf("open: %v, %v", diags, err)
	}
	if _, err := store.Put(ctx, "k", strings.NewReader("value"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Stat(ctx, "panic", storage.StatOptions{}); !errors.Is(err, storage.ErrInternal) {
		t.Errorf("a panic gives %v, want Internal", err)
	}
	r, err := store.Get(ctx, "k", storage.GetOptions{})
	if err != nil {
		t.Fatalf("after the panic: %v", err)
	}
	if value, err := r.Bytes(); err != nil || string(value) != "value" {
		t.Errorf("got %q, %v", value, err)
	}
	eventually(t, "the record of log/slog keeps level and attributes", func() bool {
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, `"@message":"opened"`) && strings.Contains(line, `"@level":"warn"`) &&
				strings.Contains(line, `"greeting":"hello"`) && strings.Contains(line, `"backend":"disk"`) {
				return true
			}
		}
		return false
	})
	eventually(t, "what was printed arrives", func() bool { return strings.Contains(raw.String(), "printed") })
	if err := p.Shutdown(ctx, 5*time.Second); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "closed")); err != nil {
		t.Errorf("shutdown did not close the backend: %v", err)
	}
	if _, _, err := p.Open(ctx, wire.OpenRequest{ID: "2", Config: []byte(`{"greeting":"x"}`)}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("open after shutdown: %v, want Unavailable", err)
	}
}

func testByHand(t *testing.T, binary string) {
	out, err := exec.CommandContext(t.Context(), binary).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("got %v, want exit status 2", err)
	}
	for _, want := range []string{"memo 0.1.0 is a storage plugin", "Keeps objects in memory.", "stowage-plugin-memo"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

func testDeathPipe(t *testing.T, binary string) {
	handshake := wire.Handshake()
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), handshake.MagicCookieKey+"="+handshake.MagicCookieValue, wire.DeathPipeEnv+"=1", "PLUGIN_PROTOCOL_VERSIONS=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := stdout.Read(make([]byte, 1)); n != 1 {
		t.Fatalf("no handshake: %v", err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the plugin ended with %v, want status 0", err)
	}
}
