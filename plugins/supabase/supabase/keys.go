package supabase

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

var errNoCertificates = errors.New("there is no certificate in PEM form")

const (
	secretPrefix      = "sb_secret_"
	publishablePrefix = "sb_publishable_"
)

func (c *Config) validateKeys(at func(name, summary, format string, args ...any)) {
	for _, k := range []struct{ name, key string }{{"secret_key", c.SecretKey}, {"service_role_key", c.ServiceRoleKey}, {"anon_key", c.AnonKey}} {
		if strings.ContainsFunc(k.key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			at(k.name, "Not a key", "The key has a space, a line break or another character no key has. Was it cut out whole, and only it?")
			return
		}
	}
	switch {
	case c.SecretKey == "" && c.ServiceRoleKey == "" && c.AnonKey == "":
		at("secret_key", "No key", "Give secret_key, or service_role_key, or anon_key. They are under API Keys in the project's settings; take them from env() or file().")
	case c.SecretKey != "" && c.ServiceRoleKey != "":
		at("service_role_key", "Two keys", "Both secret_key and service_role_key are given. Remove one of them.")
	case c.SecretKey != "" && !strings.HasPrefix(c.SecretKey, secretPrefix):
		at("secret_key", "Not a secret key", "A secret key begins with %s. A legacy service_role key goes to service_role_key.", secretPrefix)
	case strings.HasPrefix(c.ServiceRoleKey, secretPrefix):
		at("service_role_key", "Not a service_role key", "A key that begins with %s goes to secret_key.", secretPrefix)
	case strings.HasPrefix(c.AnonKey, secretPrefix):
		at("anon_key", "Not an anon key", "A key that begins with %s goes to secret_key.", secretPrefix)
	}
	if c.ServiceRoleKey != "" && !strings.HasPrefix(c.ServiceRoleKey, secretPrefix) {
		validateToken("service_role_key", c.ServiceRoleKey, at)
	}
	if c.AnonKey != "" && !strings.HasPrefix(c.AnonKey, publishablePrefix) && !strings.HasPrefix(c.AnonKey, secretPrefix) {
		validateToken("anon_key", c.AnonKey, at)
	}
}

// validateToken looks into a JSON web token without verifying it, which only
// the project can.
func validateToken(name, token string, at func(name, summary, format string, args ...any)) {
	parts := strings.Split(token, ".")
	var claims struct {
		Role string  `json:"role"`
		Exp  float64 `json:"exp"`
	}
	if len(parts) == 3 {
		payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
		if err != nil || json.Unmarshal(payload, &claims) != nil {
			parts = nil
		}
	}
	switch {
	case len(parts) != 3:
		at(name, "Not a key", "The key is not a JSON web token of three parts. Was it copied whole?")
	case claims.Exp != 0 && time.Now().After(time.Unix(int64(claims.Exp), 0)):
		at(name, "The key has expired", "It expired at %s. Make a new one.", time.Unix(int64(claims.Exp), 0).UTC().Format(time.RFC3339))
	case name == "service_role_key" && claims.Role == "anon":
		at(name, "Not a service_role key", "This is the anon key. The service_role key is beside it in the project's settings.")
	}
}

// credentials are the keys on their way into requests. They print as nothing.
type credentials struct{ apikey, bearer string }

func (c *Config) credentials() credentials {
	switch {
	case c.SecretKey != "":
		return credentials{apikey: c.SecretKey}
	case c.ServiceRoleKey != "" && c.AnonKey != "":
		return credentials{apikey: c.AnonKey, bearer: c.ServiceRoleKey}
	case c.ServiceRoleKey != "":
		return credentials{apikey: c.ServiceRoleKey, bearer: c.ServiceRoleKey}
	case strings.HasPrefix(c.AnonKey, publishablePrefix):
		return credentials{apikey: c.AnonKey}
	default:
		return credentials{apikey: c.AnonKey, bearer: c.AnonKey}
	}
}

// keyAttribute names the attribute with the key that acts.
func (c *Config) keyAttribute() string {
	switch {
	case c.SecretKey != "":
		return "secret_key"
	case c.ServiceRoleKey != "":
		return "service_role_key"
	default:
		return "anon_key"
	}
}

// String keeps the keys out of whatever is formatted.
func (credentials) String() string { return schema.Redacted }

// GoString is String for %#v.
func (credentials) GoString() string { return schema.Redacted }

func (c credentials) sign(h http.Header) {
	h.Set("Apikey", c.apikey)
	if c.bearer != "" {
		h.Set("Authorization", "Bearer "+c.bearer)
	}
}
