package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/routing"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const copiesOnDisk = `
host {
  plugin_dirs = []
  data_dir    = %q
}
backend "a" {
  plugin = "local"
  config { path = %q }
}
backend "b" {
  plugin = "local"
  config { path = %q }
}
policy "redundant" "safe" {
  replicas = [backend.a, backend.b]
  write    = "all"
}
route "" { to = policy.safe }`

func TestASecondHostWithTheSameDataDirDoesNotStart(t *testing.T) {
	dir, a, b := t.TempDir(), t.TempDir(), t.TempDir()
	path := write(t, copiesOnDisk, dir, a, b)
	first := start(t, path)
	put(t, first.Store(), "k", "v")

	second, err := host.New(host.Options{ConfigPath: write(t, copiesOnDisk, dir, t.TempDir(), t.TempDir()), Builtins: []sdk.Plugin{local.Plugin()}})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "each host needs a data_dir of its own") {
		t.Errorf("the second host: %v", err)
	}
	if err := second.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if got := get(t, first.Store(), "k"); got != "v" {
		t.Errorf("the first host reads %q", got)
	}
	if err := first.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	third := start(t, path)
	if got := get(t, third.Store(), "k"); got != "v" {
		t.Errorf("the next host reads %q", got)
	}
}

func TestAJournalIsKeptOnlyByPoliciesThatNeedOne(t *testing.T) {
	for policy, want := range map[string]bool{
		"policy \"always_use\" \"p\" { backend = backend.b }":   false,
		"policy \"redundant\" \"p\" { replicas = [backend.b] }": true,
	} {
		path := write(t, "host { plugin_dirs = [] }\nbackend \"b\" { plugin = \"local\" }\nroute \"\" { to = policy.p }\n%s", policy)
		start(t, path)
		_, err := os.Stat(filepath.Join(filepath.Dir(path), "data", "journal"))
		if got := err == nil; got != want {
			t.Errorf("%s: there is a journal: %v", policy, got)
		}
	}
}

// byExtension is a planner that keeps pictures at the second child.
type byExtension struct{}

func (byExtension) Plan(r routing.PlanRequest) (routing.Plan, error) {
	if strings.HasSuffix(r.Key, ".png") {
		return routing.Plan{Targets: []int{1}}, nil
	}
	return routing.Plan{Targets: []int{0}}, nil
}

func TestAPlannerOfTheProgramPlacesObjects(t *testing.T) {
	const config = `
host { plugin_dirs = [] }
backend "a" { plugin = "local" }
backend "b" { plugin = "local" }
policy "custom" "p" {
  planner  = %q
  backends = [backend.a, backend.b]
}
route "" { to = policy.p }`
	opts := host.Options{
		ConfigPath: write(t, config, "by_extension"), Builtins: []sdk.Plugin{local.Plugin()},
		Planners: map[string]routing.Planner{"by_extension": byExtension{}},
	}
	h := startWith(t, opts)
	put(t, h.Store(), "a.png", "picture")
	put(t, h.Store(), "a.txt", "text")
	if operations(h, "a", "put") != 1 || operations(h, "b", "put") != 1 || get(t, h.Store(), "a.png") != "picture" {
		t.Errorf("%+v", h.Stats().Backends)
	}

	opts.ConfigPath = write(t, config, "by_size")
	missing, err := host.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := missing.Start(t.Context()); !errors.Is(err, storage.ErrInvalidArgument) || !strings.Contains(err.Error(), "by_size") {
		t.Errorf("with a planner nobody registered: %v", err)
	}
}
