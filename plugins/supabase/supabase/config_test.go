package supabase

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

func token(claims string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"HS256"}`)) + "." + part([]byte(claims)) + "." + part([]byte("signature"))
}

func TestAWrongConfigurationIsRefusedAtItsLine(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change    func(c *Config)
		attribute string
		want      string
	}{
		"no key":                 {func(c *Config) { c.SecretKey = "" }, "secret_key", "Give secret_key"},
		"two keys":               {func(c *Config) { c.ServiceRoleKey = token(`{"role":"service_role"}`) }, "service_role_key", "Remove one"},
		"secret key elsewhere":   {func(c *Config) { c.ServiceRoleKey, c.SecretKey = c.SecretKey, "" }, "service_role_key", "goes to secret_key"},
		"legacy key elsewhere":   {func(c *Config) { c.SecretKey = token(`{}`) }, "secret_key", "goes to service_role_key"},
		"secret key as anon key": {func(c *Config) { c.AnonKey, c.SecretKey = c.SecretKey, "" }, "anon_key", "goes to secret_key"},
		"anon key as service":    {func(c *Config) { c.SecretKey, c.ServiceRoleKey = "", token(`{"role":"anon"}`) }, "service_role_key", "This is the anon key"},
		"expired":                {func(c *Config) { c.SecretKey, c.ServiceRoleKey = "", token(`{"role":"service_role","exp":1700000000}`) }, "service_role_key", "2023-11-14"},
		"half a key":             {func(c *Config) { c.SecretKey, c.ServiceRoleKey = "", "eyJhbGciOi" }, "service_role_key", "copied whole"},
		"key with line break":    {func(c *Config) { c.SecretKey += "\n" }, "secret_key", "line break"},
		"url with password":      {func(c *Config) { c.URL = "https://u:p@x.supabase.co" }, "url", "must not have a user"},
		"url of the API":         {func(c *Config) { c.URL = "https://x.supabase.co/rest/v1" }, "url", "without /rest/v1"},
		"reserved header":        {func(c *Config) { c.Headers = map[string]string{"apikey": "x"} }, `headers["apikey"]`, "sets Apikey itself"},
		"malformed header":       {func(c *Config) { c.Headers = map[string]string{"a b": "x"} }, `headers["a b"]`, "cannot be the name"},
		"malformed header value": {func(c *Config) { c.Headers = map[string]string{"a": "x\ny"} }, `headers["a"]`, "cannot have"},
		"missing CA":             {func(c *Config) { c.CAFile = "/nowhere/ca.pem" }, "ca_file", "no such file"},
		"CA that is none":        {func(c *Config) { c.CAFile = noPEM }, "ca_file", "no certificate"},
		"no room":                {func(c *Config) { c.InlineLimit = 0 }, "inline_limit", "Add bucket"},
		"limits the wrong way":   {func(c *Config) { c.Bucket, c.MaxValueSize = "b", 1 }, "max_value_size", "cannot be less"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Config{URL: "https://x.supabase.co", SecretKey: "sb_secret_Zm9vYmFy", InlineLimit: 1 << 20}
			test.change(c)
			diags := c.Validate(t.Context())
			if len(diags) != 1 {
				t.Fatalf("expected one complaint; got %v", diags)
			}
			if got := schema.FormatPath(diags[0].Path); got != test.attribute || !strings.Contains(diags[0].Detail, test.want) {
				t.Errorf("at %s: %s", got, diags[0].Detail)
			}
			for _, key := range []string{"Zm9vYmFy", c.ServiceRoleKey} {
				if key != "" && strings.Contains(diags.Error(), key) {
					t.Errorf("the key is in it: %v", diags)
				}
			}
		})
	}
	for host, warned := range map[string]bool{"http://db.example.org": true, "http://127.0.0.1:8000": false, "http://localhost": false} {
		diags := (&Config{URL: host, SecretKey: "sb_secret_x", InlineLimit: 1}).Validate(t.Context())
		if diags.HasErrors() || len(diags) > 0 != warned {
			t.Errorf("%s: %v", host, diags)
		}
	}
	good := &Config{InlineLimit: 1, URL: "https://x.supabase.co/", SecretKey: "sb_secret_x", Headers: map[string]string{"X-Region": "eu"}}
	if diags := good.Validate(t.Context()); len(diags) > 0 {
		t.Errorf("a good one: %v", diags)
	}
}

func TestKeysArePrintedByNothing(t *testing.T) {
	c := credentials{apikey: "sb_secret_Zm9v", bearer: "ey.ey.ey"}
	calls := &caller{creds: c, headers: map[string]string{"X-Proxy": "proxy-pass"}}
	long := strings.Repeat("x", 470)
	f := judgeAnswer(500, nil, []byte(`{"message":"`+long+` sb_secret_Zm9v and ey.ey.ey and proxy-pass"}`), calls.scrub)
	printed := fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c) + calls.scrub("refused sb_secret_Zm9v and ey.ey.ey") + f.Error()
	if strings.Contains(printed, "sb_secret") || strings.Contains(printed, "ey.ey") || strings.Contains(printed, "proxy-pass") {
		t.Error(printed)
	}
}
