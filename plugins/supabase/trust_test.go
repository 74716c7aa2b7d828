package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"

	"github.com/p2p-ai-agents/stowage/host"
)

func TestACertificateOfOnesOwnIsTrustedWhereItIsNamed(t *testing.T) {
	project := newProject(t, supabasetest.ProjectOptions{TLS: true})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, project.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, configure(t, project, fmt.Sprintf("bucket = \"large\"\n ca_file = %q", ca), ""))
	value := strings.Repeat("large ", 2<<20)
	if _, err := h.Store().Put(t.Context(), "k", strings.NewReader(value), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := h.Store().Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Bytes(); string(got) != value || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}

	untrusting, err := host.New(host.Options{ConfigPath: configure(t, project, "", "")})
	if err != nil {
		t.Fatal(err)
	}
	defer untrusting.Close(t.Context())
	if err := untrusting.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if reason := untrusting.Status().Backends[0].Reason; !strings.Contains(reason, "ca_file") {
		t.Errorf("without it: %s", reason)
	}
}
