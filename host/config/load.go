package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// MaxFileSize bounds a configuration file and what file() reads, in bytes.
const MaxFileSize = 4 << 20

// Options are what a configuration depends on besides its file.
type Options struct {
	// Policies holds the schema of each kind of policy there is. Attributes
	// with Ref are references and those with Expr expressions; see Policy.Value.
	Policies map[string]*schema.Schema
	// CheckPolicy is asked about every policy, once all policies are right by
	// themselves and refer to each other as they should. Nil: none is wrong.
	CheckPolicy PolicyCheck
	// LookupEnv is what env() asks; nil means os.LookupEnv.
	LookupEnv func(name string) (string, bool)
}

// Load reads and checks a configuration file, except for what only its
// plugins can judge: the config blocks, which Resolve takes care of. If a
// diagnostic is an error there is no Config.
func Load(path string, opts Options) (*Config, hcl.Diagnostics) {
	src, err := readBounded(path)
	if err != nil {
		summary, detail := "Configuration cannot be read", fmt.Sprintf("The file %s cannot be read: %v.", path, cause(err))
		if errors.Is(err, fs.ErrNotExist) {
			summary, detail = "Configuration not found", fmt.Sprintf("There is no file %s. Name another one with --config, or create it: config.hcl.example is a start.", path)
		}
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail}}
	}
	return Parse(path, src, opts)
}

// Parse is Load for a source that has been read already. The filename is
// what diagnostics show, and its directory is where relative paths start; the
// file need not exist.
func Parse(filename string, src []byte, opts Options) (*Config, hcl.Diagnostics) {
	dir, err := filepath.Abs(filepath.Dir(filename))
	if err != nil {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Configuration cannot be read", Detail: fmt.Sprintf("The directory of %s cannot be found: %v.", filename, err)}}
	}
	doc := newDocument(filename, src, dir, opts)
	file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	if file != nil {
		doc.nav = file.Nav
	}
	if diags.HasErrors() {
		doc.maskLikelySecrets()
		return nil, doc.seal(diags)[:1] // the others are mostly its consequences
	}
	l := &loader{doc: doc, policies: opts.Policies, check: opts.CheckPolicy, config: &Config{Filename: filename, Dir: dir, doc: doc}}
	l.load(file.Body.(*hclsyntax.Body))
	diags = doc.seal(l.diags, doc.undescribed...)
	if diags.HasErrors() {
		return nil, diags
	}
	return l.config, diags
}

// Default is the configuration of a host that has no file: one backend,
// "local", of the plugin of that name without any settings, which keeps
// objects in memory. Relative paths start from dir, which is made absolute.
func Default(dir string) *Config {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	doc := newDocument("", nil, dir, Options{})
	l := &loader{doc: doc, config: &Config{Dir: dir, doc: doc}}
	l.loadHost(nil)
	backend := &Backend{Name: "local", Plugin: "local"}
	decodeDefaults(backend)
	backend.Plugin = "local"
	l.config.Backends = []*Backend{backend}
	l.config.Plugins = []*Plugin{{}}
	*l.config.Plugins[0] = defaultPlugin("local")
	l.config.Plugins[0].Transport = TransportBuiltin
	return l.config
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err == nil && len(data) > MaxFileSize {
		err = fmt.Errorf("it is larger than %s", schema.ByteSize(MaxFileSize))
	}
	return data, err
}

// cause drops the path from an error that is going to be shown next to it.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
