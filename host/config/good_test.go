package config_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

func loadGood(t *testing.T) (*config.Config, string) {
	t.Helper()
	c, diags := config.Load("testdata/good.hcl", options(t))
	if len(diags) > 0 {
		t.Fatal(config.FormatDiagnostics(diags))
	}
	if diags := c.Resolve(t.Context(), fakePlugins(t)); len(diags) > 0 {
		t.Fatal(config.FormatDiagnostics(diags))
	}
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return c, dir
}

func TestLoadReadsTheHost(t *testing.T) {
	c, dir := loadGood(t)
	want := config.Host{
		PluginDirs:    []string{filepath.Join(dir, "plugins"), "/usr/lib/stowage"},
		DataDir:       filepath.Join(dir, "data"),
		Listen:        "0.0.0.0:7465",
		LogLevel:      "info",
		DrainTimeout:  10 * time.Second,
		MaxObjectSize: 5 << 30,
		TLS:           &config.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: "/etc/ssl/key.pem"},
		Tokens:        []string{"token-1", secret},
	}
	ignore := cmp.Options{cmpopts.IgnoreFields(config.Host{}, "DeclRange"), cmpopts.IgnoreUnexported(config.Host{}, config.TLS{})}
	if diff := cmp.Diff(want, c.Host, ignore); diff != "" {
		t.Error(diff)
	}
}

func TestLoadReadsPlugins(t *testing.T) {
	c, _ := loadGood(t)
	p := c.Plugin("supabase")
	if p.Version != ">= 1.0" || !slices.Equal(p.Env, []string{"HTTPS_PROXY"}) || p.Isolation != config.IsolationDedicated ||
		p.StartTimeout != 20*time.Second || p.StopTimeout != 5*time.Second || p.Transport != config.TransportAuto {
		t.Errorf("supabase is %+v", p)
	}
	if p := c.Plugin("local"); p.Name != "local" || p.Isolation != config.IsolationShared || p.StartTimeout != 10*time.Second {
		t.Errorf("a plugin without a block is %+v", p)
	}
}

func TestLoadReadsBackends(t *testing.T) {
	c, _ := loadGood(t)
	cloud := c.Backend("cloud")
	if !cloud.Enabled || cloud.Plugin != "supabase" || cloud.Timeout != 5*time.Second {
		t.Errorf("cloud is %+v", cloud)
	}
	if r := cloud.Retry; r.MaxAttempts != 4 || r.Delay != 50*time.Millisecond {
		t.Errorf("its retry is %+v", r)
	}
	if b := cloud.Breaker; b.Failures != 3 || b.Window != 10 || b.OpenFor != time.Minute {
		t.Errorf("its breaker is %+v", b)
	}
	if disk := c.Backend("disk"); disk.Retry.MaxAttempts != 3 || disk.Breaker.Failures != 5 || disk.Timeout != 30*time.Second {
		t.Errorf("the defaults of a backend are %+v", disk)
	}
}

func TestResolveDecodesConfigBlocks(t *testing.T) {
	c, dir := loadGood(t)
	var got supabaseConfig
	if diags := schema.Decode(c.Backend("cloud").Value, &got); diags.HasErrors() {
		t.Fatal(diags)
	}
	want := supabaseConfig{
		URL: "https://project.supabase.co", Key: "sk-filed\n", Bucket: "objects",
		Headers: map[string]string{"accept": "text/plain"},
		Cache:   filepath.Join(dir, "cache"),
		Mirrors: []mirror{{Region: "eu", Lag: time.Second}, {Region: "us", Lag: 5 * time.Second}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := c.Backend("disk").Value.GetAttr("path").AsString(); got != filepath.Join(dir, "data/disk") {
		t.Errorf("path is %s", got)
	}
	if got := c.Backend("memory").Value.GetAttr("path"); !got.IsNull() {
		t.Errorf("a path nobody gave is %#v", got)
	}
}

func TestLoadReadsPoliciesAndRoutes(t *testing.T) {
	c, _ := loadGood(t)
	hot := c.Policy("hot")
	if want := []string{"backend.memory", "policy.safe", "backend.disk"}; hot.Kind != "first_available" || !slices.Equal(hot.Refs, want) {
		t.Errorf("hot is %+v", hot)
	}
	if got := hot.Value.GetAttr("order").Index(cty.NumberIntVal(1)); !got.RawEquals(cty.StringVal("policy.safe")) {
		t.Errorf("the second of its order is %#v", got)
	}
	if got := hot.Value.GetAttr("writes"); !got.RawEquals(cty.StringVal("sticky")) {
		t.Errorf("its writes are %#v", got)
	}
	var routes []string
	for _, r := range c.Routes {
		routes = append(routes, r.Prefix+" → "+r.To)
	}
	if want := []string{"models/ → policy.safe", " → policy.hot"}; !slices.Equal(routes, want) {
		t.Errorf("routes are %v", routes)
	}
}

func TestDefaultIsALocalBackendInMemory(t *testing.T) {
	c := config.Default("/srv")
	if len(c.Backends) != 1 || c.Backends[0].Name != "local" {
		t.Errorf("backends are %v", c.Backends)
	}
	if p := c.Plugin("local"); p.Transport != config.TransportBuiltin {
		t.Errorf("its transport is %q", p.Transport)
	}
	if c.Host.Listen != "127.0.0.1:7465" || c.Host.DataDir != "/srv/data" {
		t.Errorf("the host is %+v", c.Host)
	}
	if diags := c.Resolve(t.Context(), fakePlugins(t)); len(diags) > 0 {
		t.Fatal(config.FormatDiagnostics(diags))
	}
	if got := c.Backend("local").Value.GetAttr("path"); !got.IsNull() {
		t.Errorf("its path is %#v", got)
	}
}

func TestAnEmptyFileIsAConfiguration(t *testing.T) {
	c, diags := config.Parse("/srv/config.hcl", nil, options(t))
	if diags.HasErrors() {
		t.Fatal(config.FormatDiagnostics(diags))
	}
	if c.Dir != "/srv" || c.Host.DrainTimeout != 10*time.Second || len(c.Backends) != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestLoadOfAMissingFileSaysWhatToDo(t *testing.T) {
	c, diags := config.Load("testdata/none.hcl", options(t))
	want := `Error: Configuration not found

There is no file testdata/none.hcl. Name another one with --config, or create
it: config.hcl.example is a start.
`
	if got := config.FormatDiagnostics(diags); c != nil || got != want {
		t.Errorf("got %s", got)
	}
}

func TestLoadOfADirectoryFails(t *testing.T) {
	if c, diags := config.Load("testdata", options(t)); c != nil || !diags.HasErrors() {
		t.Errorf("got %v, %v", c, diags)
	}
}

func TestLoadBoundsTheFile(t *testing.T) {
	c, diags := config.Load("/dev/zero", options(t))
	if c != nil || !strings.Contains(diags.Error(), "larger than 4MiB") {
		t.Errorf("got %v", diags)
	}
}

// unavailable is a Describer whose plugin does not answer at first.
type unavailable struct {
	*plugins
	err error
}

func (u *unavailable) Validate(ctx context.Context, plugin, backend string, value cty.Value) (schema.Diagnostics, error) {
	if u.err != nil {
		return nil, u.err
	}
	return u.plugins.Validate(ctx, plugin, backend, value)
}

func TestAPluginThatDoesNotAnswerIsTriedAgain(t *testing.T) {
	c, diags := config.Parse("/srv/config.hcl", []byte(`backend "a" { plugin = "local" }`), options(t))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	down := errors.New("connection refused")
	describer := &unavailable{plugins: fakePlugins(t), err: down}
	b := c.Backend("a")

	diags = c.Resolve(t.Context(), describer)
	if diags.HasErrors() || len(diags) != 1 {
		t.Errorf("a plugin that is down gives %v", diags)
	}
	if !errors.Is(b.Unresolved, down) || b.Value != cty.NilVal {
		t.Errorf("the backend is unresolved because of %v, its value %#v", b.Unresolved, b.Value)
	}

	describer.err = nil
	if diags := c.ResolveBackend(t.Context(), describer, b); len(diags) > 0 || b.Unresolved != nil || b.Value == cty.NilVal {
		t.Errorf("once it answers: %v, %v", diags, b.Unresolved)
	}
}
