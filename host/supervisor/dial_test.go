package supervisor

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func TestDial(t *testing.T) {
	h := newHarness(t)
	dir, err := h.opts.RunDir.childDir()
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner("/bin/sleep", dir, Spec{Name: "test", Path: "/bin/sleep", Args: []string{"300"}}, h.opts, h.opts.Logger)
	if _, err := r.dial(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "not shaken hands") {
		t.Errorf("dial before the start: %v", err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() { // in the place of go-plugin
		_, _ = r.Stdout().Read(make([]byte, 1))
	}()

	// This process listens in the place of the plugin.
	path := filepath.Join(dir, "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if _, _, err := r.PluginToHost("unix", path); err != nil {
		t.Fatal(err)
	}
	if _, err := r.dial(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "listens on the plugin's socket") {
		t.Errorf("dial of a stranger: %v", err)
	}

	if err := r.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.keep(&keptConn{}); err == nil {
		t.Error("a connection to a dead process was kept")
	}
}

func TestAddressOfTheHandshake(t *testing.T) {
	tests := []struct {
		network, address string
		tcp, ok          bool
	}{
		{"unix", "/run/d/1/socket", false, true},
		{"unix", "/run/d/1/sub/socket", false, true},
		{"unix", "/run/d/1/../2/socket", false, false},
		{"unix", "/run/d/10/socket", false, false},
		{"unix", "@abstract", false, false},
		{"tcp", "127.0.0.1:80", false, false},
		{"tcp", "127.0.0.1:80", true, true},
		{"tcp", "[::1]:80", true, true},
		{"tcp", "10.0.0.1:80", true, false},
		{"tcp", "localhost:80", true, false},
		{"tcp", "127.0.0.1:99999", true, false},
	}
	for _, tt := range tests {
		r := &processRunner{dir: "/run/d/1", tcp: tt.tcp}
		if _, _, err := r.PluginToHost(tt.network, tt.address); (err == nil) != tt.ok {
			t.Errorf("%s %s (tcp allowed: %v): %v, want accepted: %v", tt.network, tt.address, tt.tcp, err, tt.ok)
		}
	}
}
