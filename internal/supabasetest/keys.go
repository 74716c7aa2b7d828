package supabasetest

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func (p *Project) createKeys() error {
	p.secret = []byte(rand.Text() + rand.Text())
	var errAnon, errService error
	const tenYears = 10 * 365 * 24 * time.Hour
	p.AnonKey, errAnon = p.Token(roleAnon, tenYears, map[string]any{"ref": p.database})
	p.ServiceKey, errService = p.Token(roleService, tenYears, map[string]any{"ref": p.database})
	p.PublishableKey = "sb_publishable_" + rand.Text()
	p.SecretKey = "sb_secret_" + rand.Text()
	return errors.Join(errAnon, errService)
}

// Token signs a JWT as the project's own are, for a role or user of the test's.
// One that lives a negative time has expired. Other claims are added.
func (p *Project) Token(role string, life time.Duration, claims map[string]any) (string, error) {
	now := time.Now()
	all := jwt.MapClaims{"iss": "supabase", "role": role, "iat": now.Unix(), "exp": now.Add(life).Unix()}
	if life < 0 {
		all["iat"] = now.Add(2 * life).Unix()
	}
	maps.Copy(all, claims)
	return jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString(p.secret)
}

// identity is whom a request speaks for.
type identity struct {
	role   string
	claims []byte // JSON
}

// identify reads a bearer token. A request without one is anonymous.
func (p *Project) identify(authorization string) (identity, error) {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return identity{roleAnon, []byte(`{"role":"anon"}`)}, nil
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(strings.TrimSpace(token), claims, func(*jwt.Token) (any, error) {
		return p.secret, nil
	}, jwt.WithValidMethods([]string{"HS256"}))
	if err != nil {
		return identity{}, err
	}
	role, ok := claims["role"].(string)
	if !ok {
		role = roleAnon
		claims["role"] = role
	}
	encoded, err := json.Marshal(claims)
	if err != nil {
		return identity{}, err
	}
	return identity{role, encoded}, nil
}

// admit does what the gateway does before a request reaches a service: it checks
// the API key and returns the Authorization that the service gets. A refusal has
// been answered if it returns false.
func (p *Project) admit(w http.ResponseWriter, r *http.Request) (authorization string, ok bool) {
	key := r.Header.Get("Apikey")
	if key == "" {
		key = r.URL.Query().Get("apikey")
	}
	authorization = r.Header.Get("Authorization")
	role := ""
	switch key {
	case p.AnonKey, p.ServiceKey:
		return authorization, true
	case "":
		// Storage does its own checks: it also serves public and signed addresses.
		if strings.HasPrefix(r.URL.Path, storagePath) {
			return authorization, true
		}
		refuse(w, r, "No API key found in request", "No `apikey` request header or url param was found.")
		return "", false
	case p.PublishableKey:
		role = roleAnon
	case p.SecretKey:
		if strings.HasPrefix(r.UserAgent(), "Mozilla") {
			refuse(w, r, "Forbidden use of secret API key in browser",
				"Secret API keys can only be used in a protected environment and should never be used in a browser.")
			return "", false
		}
		role = roleService
	default:
		refuse(w, r, "Invalid API key", "Double check your Supabase `anon` or `service_role` API key.")
		return "", false
	}
	if authorization != "" {
		// Also when it is the key itself, which no service can read as a JWT.
		return authorization, true
	}
	token, err := p.Token(role, time.Minute, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return "", false
	}
	return "Bearer " + token, true
}

func refuse(w http.ResponseWriter, r *http.Request, message, hint string) {
	writeJSON(w, r, http.StatusUnauthorized, struct {
		Message string `json:"message"`
		Hint    string `json:"hint"`
	}{message, hint})
}
