package config

import (
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// Config is a configuration that has loaded: names are unique, references
// lead somewhere and not in a circle, paths are absolute. The lists are in
// the order of the file. Only Resolve changes it.
type Config struct {
	// Filename is the file as it was given to Load, "" if there was none.
	Filename string
	// Dir is the absolute directory that relative paths start from.
	Dir string

	Host     Host
	Plugins  []*Plugin
	Backends []*Backend
	Policies []*Policy
	Routes   []*Route

	doc *document
}

// Host is the host block.
type Host struct {
	_             struct{}        `doc:"Settings of the host itself."`
	PluginDirs    []string        `stowage:"plugin_dirs,path" default:"./plugins" doc:"Folders that are searched for plugins, stowage-plugin-NAME."`
	DataDir       string          `stowage:"data_dir,path" default:"./data" doc:"Where the host keeps its own state."`
	Listen        string          `stowage:"listen" default:"127.0.0.1:7465" doc:"Address and port of the API. Beyond loopback it needs a tls block, and tokens or client certificates."`
	LogLevel      string          `stowage:"log_level" default:"info" enum:"trace,debug,info,warn,error" doc:"The least severe log lines to write."`
	DrainTimeout  time.Duration   `stowage:"drain_timeout" default:"10s" min:"0s" max:"10m" doc:"How long running requests may take to finish at shutdown."`
	MaxObjectSize schema.ByteSize `stowage:"max_object_size" doc:"The largest object the API accepts; without it any size."`
	TLS           *TLS            `stowage:"tls"`
	Tokens        []string        `stowage:"tokens,sensitive" pattern:"^[!-~]+$" doc:"Bearer tokens of which a request must carry one, usually read with file(). Visible ASCII without spaces."`
	AllowedHosts  []string        `stowage:"allowed_hosts" doc:"Names, besides the listen address and loopback, that requests may address the host by."`

	DeclRange hcl.Range `stowage:"-"`
}

// TLS is the tls block of the host.
type TLS struct {
	_            struct{} `doc:"Certificates of the API."`
	CertFile     string   `stowage:"cert_file,required,path" doc:"The host's certificate chain in PEM."`
	KeyFile      string   `stowage:"key_file,required,path" doc:"The private key of the certificate in PEM."`
	ClientCAFile string   `stowage:"client_ca_file,path" doc:"Accept only clients with a certificate signed by one of these."`
}

// Transport says how the host reaches a plugin.
type Transport string

// The transports.
const (
	TransportAuto    Transport = ""        // a binary in the folders, else the builtin
	TransportBuiltin Transport = "builtin" // the builtin, whatever is in the folders
	TransportChild   Transport = "child"   // a binary in the folders, never the builtin
)

// Isolation says which backends share a plugin process.
type Isolation string

// The isolations.
const (
	IsolationShared    Isolation = "shared"    // all backends of the plugin
	IsolationDedicated Isolation = "dedicated" // none: one process for each
)

// Plugin is a plugin block: how the host launches a plugin. Every plugin has
// these settings; Config.Plugin gives the defaults to one without a block.
type Plugin struct {
	_            struct{}      `doc:"How the host launches a plugin."`
	Name         string        `stowage:"-"`
	Version      string        `stowage:"version" doc:"The versions that may be used, such as \">= 1.2, < 2.0\"; the highest wins."`
	Env          []string      `stowage:"env" pattern:"^[A-Za-z_][A-Za-z0-9_]*$" doc:"Variables of the host's environment that the plugin may see."`
	Isolation    Isolation     `stowage:"isolation" default:"shared" enum:"shared,dedicated" doc:"Whether the backends of the plugin share one process."`
	Transport    Transport     `stowage:"transport" enum:"builtin,child" doc:"How to reach the plugin; without it a binary in the folders wins over a builtin."`
	AutoMTLS     bool          `stowage:"auto_mtls" doc:"Encrypt the connection to the child process, with certificates made at each start."`
	StartTimeout time.Duration `stowage:"start_timeout" default:"10s" min:"100ms" max:"10m" doc:"How long the plugin may take until it answers."`
	StopTimeout  time.Duration `stowage:"stop_timeout" default:"5s" min:"0s" max:"10m" doc:"How long the plugin may take to stop before it is killed."`

	DeclRange hcl.Range `stowage:"-"`
}

// Backend is a backend block.
type Backend struct {
	_        struct{}      `doc:"A place to store objects, provided by a plugin."`
	Name     string        `stowage:"-"`
	Plugin   string        `stowage:"plugin,required" doc:"The name of the plugin."`
	Enabled  bool          `stowage:"enabled" default:"true" doc:"Whether the backend is opened."`
	Priority int           `stowage:"priority" default:"0" doc:"Without routes, the enabled backend of the highest priority is used first."`
	Timeout  time.Duration `stowage:"timeout" default:"30s" min:"1ms" max:"1h" doc:"How long an attempt may take to answer, and a stream of data may stand still."`
	Retry    Retry         `stowage:"retry"`
	Breaker  Breaker       `stowage:"breaker"`
	Config   *struct{}     `stowage:"config" doc:"Settings of the plugin."`

	// Schema describes the config block and Value is its content, conforming
	// to Schema.CtyType, paths made absolute. They are set by Resolve, and
	// stay nil and cty.NilVal while Unresolved says why.
	Schema     *schema.Schema `stowage:"-"`
	Value      cty.Value      `stowage:"-"`
	Unresolved error          `stowage:"-"`

	DeclRange   hcl.Range `stowage:"-"`
	PluginRange hcl.Range `stowage:"-"` // the expression after plugin =

	body *hclsyntax.Block // the config block, nil if there is none
}

// Redacted returns Value with its sensitive attributes replaced, fit to be
// shown.
func (b *Backend) Redacted() cty.Value {
	if b.Schema == nil {
		return cty.NilVal
	}
	return b.Schema.Redact(b.Value)
}

// Retry is the retry block of a backend.
type Retry struct {
	_           struct{}      `doc:"What happens after a failure that may pass."`
	MaxAttempts int           `stowage:"max_attempts" default:"3" min:"1" max:"10" doc:"How often an operation is tried in all; 1 means no retries."`
	Delay       time.Duration `stowage:"delay" default:"50ms" min:"0s" max:"1m" doc:"The pause before the second attempt; it doubles with each further one."`
	MaxDelay    time.Duration `stowage:"max_delay" default:"2s" min:"0s" max:"5m" doc:"The longest pause."`
}

// Breaker is the breaker block of a backend.
type Breaker struct {
	_        struct{}      `doc:"When to stop asking a backend that keeps failing."`
	Failures int           `stowage:"failures" default:"5" min:"1" max:"10000" doc:"How many failures among the last window operations open the breaker."`
	Window   int           `stowage:"window" default:"10" min:"1" max:"10000" doc:"How many of the last operations are counted."`
	OpenFor  time.Duration `stowage:"open_for" default:"2s" min:"10ms" max:"1h" doc:"How long an open breaker refuses before it lets one operation try."`
}

// Policy is a policy block. Its name is unique among the policies of every
// kind.
type Policy struct {
	Kind string
	Name string
	// Value conforms to the schema of the kind; references in it are strings
	// such as "backend.disk" and "policy.hot", and expressions that place
	// objects are their source text.
	Value cty.Value
	// Refs lists the references of Value, also those in expressions, in the
	// order of the file, each once.
	Refs []string

	DeclRange hcl.Range
}

// Route is a route block: keys that begin with Prefix go to To. Of several
// routes the longest prefix wins.
type Route struct {
	_ struct{} `doc:"Sends keys with a prefix to a backend or policy."`
	// Prefix is "" or ends with a slash.
	Prefix string `stowage:"-"`
	// To is "backend.NAME" or "policy.NAME".
	To string `stowage:"to,required,ref" doc:"The backend or policy."`

	DeclRange hcl.Range `stowage:"-"`
}

// Plugin returns the launch settings of a plugin, the defaults if the
// configuration has no block for it.
func (c *Config) Plugin(name string) Plugin {
	for _, p := range c.Plugins {
		if p.Name == name {
			return *p
		}
	}
	return defaultPlugin(name)
}

// Backend returns the backend of that name, or nil.
func (c *Config) Backend(name string) *Backend {
	for _, b := range c.Backends {
		if b.Name == name {
			return b
		}
	}
	return nil
}

// Policy returns the policy of that name, or nil.
func (c *Config) Policy(name string) *Policy {
	for _, p := range c.Policies {
		if p.Name == name {
			return p
		}
	}
	return nil
}
