package supabase

import (
	"context"
	"crypto/x509"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/net/http/httpguts"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// Config is the configuration of a backend.
type Config struct {
	_              struct{}          `doc:"Stores objects in a Supabase project. docs/supabase.md leads from an empty project to a working backend."`
	URL            string            `stowage:"url,required" pattern:"^https?://[^/?#]+(/[^?#]*)?$" doc:"The URL of the project, such as https://abcdefgh.supabase.co."`
	SecretKey      string            `stowage:"secret_key,sensitive" doc:"A secret key, sb_secret_…. It may do all that service_role may."`
	ServiceRoleKey string            `stowage:"service_role_key,sensitive" doc:"A legacy service_role key, or a token signed with the project's JWT secret whose role may use the tables."`
	AnonKey        string            `stowage:"anon_key,sensitive" doc:"The anon or publishable key. With service_role_key it is what the gateway is shown; alone it works only if its role was given the tables."`
	Schema         string            `stowage:"schema" default:"public" pattern:"^[a-z_][a-z0-9_]{0,39}$" doc:"The PostgreSQL schema with the tables. It must be among the exposed schemas of the API."`
	Table          string            `stowage:"table" default:"stowage" pattern:"^[a-z_][a-z0-9_]{0,39}$" doc:"The table of the objects; the names of the functions begin with it."`
	Namespace      string            `stowage:"namespace" default:"default" pattern:"^[^\\x00]{1,128}$" doc:"Keeps the objects of this backend apart from others in the same table."`
	Bucket         string            `stowage:"bucket" pattern:"^[A-Za-z0-9_.-]{1,100}$" doc:"The Storage bucket for values over inline_limit. Without it they are refused."`
	InlineLimit    schema.ByteSize   `stowage:"inline_limit" default:"1MiB" min:"0B" max:"4MiB" doc:"The largest value that is kept in the table."`
	MaxValueSize   schema.ByteSize   `stowage:"max_value_size" default:"5GiB" min:"1B" max:"512GiB" doc:"The largest value, where there is a bucket. The project's own limit may be lower: 50 MB on the free plan."`
	Timeout        time.Duration     `stowage:"timeout" default:"10s" min:"100ms" max:"5m" doc:"How long a request, an upload or a download may stand still before it is tried again."`
	MaxRetries     int               `stowage:"max_retries" default:"4" min:"0" max:"20" doc:"How often a request is repeated. The deadline of the operation bounds it too."`
	MaxConnections int               `stowage:"max_connections" default:"32" min:"1" max:"1000" doc:"How many requests to the project may be under way at once, and as many downloads of large values; more wait."`
	MaxUploads     int               `stowage:"max_uploads" default:"4" min:"1" max:"100" doc:"How many large values may be on their way to Storage at once, each spooled to a file first; more wait."`
	SpoolDir       string            `stowage:"spool_dir,path" doc:"Where large values are spooled, up to max_uploads times max_value_size. By default the backend's own directory in the host's data_dir."`
	Headers        map[string]string `stowage:"headers,sensitive" doc:"More headers for every request."`
	CAFile         string            `stowage:"ca_file,path" doc:"A PEM file with the certificates to trust instead of the system's."`
	WatchInterval  time.Duration     `stowage:"watch_interval" default:"2s" min:"20ms" max:"10m" doc:"How often watchers ask for changes; so late are their events."`
	History        time.Duration     `stowage:"history" default:"1h" min:"10m" max:"720h" doc:"How long changes are kept: a watcher that was away longer is told that it missed some. Repeated requests are recognised as long. Give all hosts of a namespace the same."`
	SweepInterval  time.Duration     `stowage:"sweep_interval" default:"1m" min:"1s" max:"24h" doc:"How often expired objects, old changes and replaced large values are removed."`
	ObjectGrace    time.Duration     `stowage:"object_grace" default:"15m" min:"0s" max:"168h" doc:"How long a replaced large value stays for those who are reading it."`
	OrphanGrace    time.Duration     `stowage:"orphan_grace" default:"24h" min:"10m" max:"720h" doc:"How old an object in the bucket must be before it is removed because no row points to it. Longer than any upload takes."`
}

// Validate implements the optional method of a plugin's configuration.
func (c *Config) Validate(context.Context) schema.Diagnostics {
	var diags schema.Diagnostics
	at := func(name, summary, format string, args ...any) {
		diags.Append(schema.Errorf(cty.GetAttrPath(name), summary, format, args...))
	}
	diags.Append(c.validateURL(at)...)
	c.validateKeys(at)
	if c.Bucket == "" && c.InlineLimit == 0 {
		at("inline_limit", "No room for values", "With an inline_limit of 0 all values go to the bucket, and none is named. Add bucket.")
	}
	if c.Bucket != "" && int64(c.MaxValueSize) < int64(c.InlineLimit) {
		at("max_value_size", "Smaller than inline_limit", "Values up to inline_limit, %v, are kept in the table; max_value_size cannot be less.", c.InlineLimit)
	}
	if c.CAFile != "" {
		if _, err := c.roots(); err != nil {
			at("ca_file", "No certificates to trust", "%v.", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		reserved := []string{"Apikey", "Authorization", "Content-Type", "Content-Length", "Content-Profile", "Host", "User-Agent", "Accept-Encoding"}
		canonical := http.CanonicalHeaderKey(name)
		path := cty.GetAttrPath("headers").IndexString(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			diags.Append(schema.Errorf(path, "Not a header", "%q cannot be the name of a header.", name))
		case slices.Contains(reserved, canonical) || strings.HasPrefix(canonical, "Tus-") || strings.HasPrefix(canonical, "Upload-"):
			diags.Append(schema.Errorf(path, "A header of the plugin's own", "The plugin sets %s itself. Remove it.", canonical))
		case !httpguts.ValidHeaderFieldValue(c.Headers[name]):
			diags.Append(schema.Errorf(path, "Not a header", "The value of %s has a character that headers cannot have.", canonical))
		}
	}
	return diags
}

func (c *Config) validateURL(at func(name, summary, format string, args ...any)) schema.Diagnostics {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "":
		at("url", "Not a URL", "Give the URL of the project, such as https://abcdefgh.supabase.co.")
	case u.User != nil:
		at("url", "Credentials in the URL", "The URL must not have a user or password. The key goes to secret_key or service_role_key.")
	case strings.Contains(u.Path, "/rest/v1"), strings.Contains(u.Path, "/storage/v1"):
		at("url", "Not the URL of the project", "Give the URL without %s; the plugin appends what it needs.", u.Path)
	case u.Scheme == "http" && !isLocal(u.Hostname()):
		return schema.Diagnostics{schema.Warningf(cty.GetAttrPath("url"), "The key travels in clear",
			"Whoever is between the host and %s can read the key and the values. Use https.", u.Host)}
	}
	return nil
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Config) roots() (*x509.CertPool, error) {
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &os.PathError{Op: "read", Path: c.CAFile, Err: errNoCertificates}
	}
	return pool, nil
}
