package api

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestForeignHostsAndOriginsAreRefused(t *testing.T) {
	f := startMemory(t, Options{AllowedHosts: []string{"Stowage.Example"}})
	_, port, _ := strings.Cut(f.addr, ":")
	for name, c := range map[string]struct {
		host   string
		header []string
		status int
	}{
		"listen address":           {f.addr, nil, 200},
		"localhost":                {"localhost", nil, 200},
		"localhost, other port":    {"LOCALHOST.:9000", nil, 200},
		"loopback, IPv6":           {"[::1]:7465", nil, 200},
		"allowed":                  {"stowage.example:80", nil, 200},
		"rebound name":             {"evil.example:" + port, nil, 403},
		"name of a lookalike":      {"localhost.evil.example", nil, 403},
		"another address":          {"192.0.2.1", nil, 403},
		"own origin":               {f.addr, []string{"Origin: http://" + f.addr}, 200},
		"own origin, other name":   {f.addr, []string{"Origin: http://localhost:" + port}, 200},
		"origin of an allowed one": {f.addr, []string{"Origin: https://stowage.example"}, 200},
		"foreign origin":           {f.addr, []string{"Origin: https://evil.example"}, 403},
		"another local site":       {f.addr, []string{"Origin: http://localhost:3000"}, 403},
		"sandboxed page":           {f.addr, []string{"Origin: null"}, 403},
		"two origins":              {f.addr, []string{"Origin: http://" + f.addr, "Origin: http://" + f.addr}, 403},
		"cross-site image":         {f.addr, []string{"Sec-Fetch-Site: cross-site"}, 403},
		"typed by a person":        {f.addr, []string{"Sec-Fetch-Site: none"}, 200},
	} {
		header := strings.Join(append(c.header, ""), "\r\n")
		for _, target := range []string{"/v1/status", "/v1/objects", "/healthz", "/metrics"} {
			a := f.raw(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", target, c.host, header))
			if target == "/metrics" && a.StatusCode == 404 {
				continue // let in, and there are none
			}
			if a.StatusCode != c.status {
				t.Errorf("%s, %s: %s, want %d", name, target, a.Status, c.status)
			}
			if a.StatusCode == 403 && a.problem(t).Code != "PermissionDenied" {
				t.Errorf("%s, %s: %s", name, target, a.body)
			}
		}
	}
	if a := f.raw("GET http://evil.example/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"); a.StatusCode != 403 {
		t.Errorf("a foreign host in the target: %s", a.Status)
	}
	if a := f.raw("GET /healthz HTTP/1.0\r\n\r\n"); a.StatusCode != 200 {
		t.Errorf("HTTP/1.0 without Host: %s", a.Status)
	}
}

func TestTokens(t *testing.T) {
	f := startMemory(t, Options{Tokens: []string{"first", "second"}})
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"none":            {nil, 401},
		"first":           {[]string{"Authorization: Bearer first"}, 200},
		"second":          {[]string{"Authorization: bearer  second"}, 200},
		"wrong":           {[]string{"Authorization: Bearer third"}, 401},
		"beginning":       {[]string{"Authorization: Bearer firs"}, 401},
		"other scheme":    {[]string{"Authorization: Basic first"}, 401},
		"no scheme":       {[]string{"Authorization: first"}, 401},
		"empty":           {[]string{"Authorization: Bearer "}, 401},
		"given twice":     {[]string{"Authorization: Bearer first", "Authorization: Bearer first"}, 401},
		"both in one":     {[]string{"Authorization: Bearer first second"}, 401},
		"as a query only": {nil, 401},
	} {
		for _, target := range []string{"/v1/objects", "/v1/status", "/nowhere"} {
			a := f.do("GET", target, "", c.header...)
			want := c.status
			if want == 200 && target == "/nowhere" {
				want = 404
			}
			if a.StatusCode != want {
				t.Errorf("%s, %s: %s, want %d", name, target, a.Status, want)
			}
			if want == 401 && (!strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") || a.problem(t).Code != "Unauthenticated") {
				t.Errorf("%s, %s: %v %s", name, target, a.Header, a.body)
			}
		}
		for _, target := range []string{"/healthz", "/readyz"} {
			if a := f.do("GET", target, "", c.header...); a.StatusCode != 200 {
				t.Errorf("%s, %s: %s", name, target, a.Status)
			}
		}
	}
}

func TestExposureIsRefused(t *testing.T) {
	certificate := testCertificate(t)
	secured := func(auth tls.ClientAuthType) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: auth}
	}
	for name, c := range map[string]struct {
		opts Options
		want string // part of the error; "" for none
	}{
		"loopback":                      {Options{Listen: "127.0.0.1:0"}, ""},
		"default":                       {Options{}, ""},
		"localhost":                     {Options{Listen: "localhost:0"}, ""},
		"loopback, IPv6":                {Options{Listen: "[::1]:0"}, ""},
		"everywhere":                    {Options{Listen: ":7465"}, "TLS and bearer tokens"},
		"everywhere, IPv4":              {Options{Listen: "0.0.0.0:0"}, "TLS and bearer tokens"},
		"everywhere, IPv6":              {Options{Listen: "[::]:0"}, "TLS and bearer tokens"},
		"an address":                    {Options{Listen: "192.0.2.1:0", Tokens: []string{"t"}}, "needs TLS;"},
		"a name":                        {Options{Listen: "example.com:0", Tokens: []string{"t"}}, "needs TLS;"},
		"TLS only":                      {Options{Listen: ":0", TLS: secured(tls.NoClientCert)}, "bearer tokens or required client certificates"},
		"certificates only if given":    {Options{Listen: ":0", TLS: secured(tls.VerifyClientCertIfGiven)}, "bearer tokens"},
		"certificates of anybody":       {Options{Listen: ":0", TLS: secured(tls.RequireAnyClientCert)}, "bearer tokens"},
		"TLS and token":                 {Options{Listen: ":0", TLS: secured(tls.NoClientCert), Tokens: []string{"t"}}, ""},
		"TLS and required certificates": {Options{Listen: ":0", TLS: secured(tls.RequireAndVerifyClientCert)}, ""},
		"TLS without certificate":       {Options{TLS: new(tls.Config)}, "no certificate"},
		"no port":                       {Options{Listen: "127.0.0.1"}, "host:port"},
		"empty token":                   {Options{Tokens: []string{"a", ""}}, "token number 2"},
		"token with a space":            {Options{Tokens: []string{"a b"}}, "token number 1"},
		"allowed host with a scheme":    {Options{AllowedHosts: []string{"https://a"}}, "allowed host"},
		"negative limit":                {Options{MaxRequests: -1}, "negative"},
	} {
		_, err := New(&standIn{}, c.opts)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// testCertificate borrows the one net/http/httptest keeps for example.com and
// 127.0.0.1.
func testCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	return s.TLS.Certificates[0]
}

func TestTLSAndHTTP2(t *testing.T) {
	f := startMemory(t, Options{
		Tokens: []string{"secret"},
		TLS:    &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}},
	})
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test
	defer transport.CloseIdleConnections()
	do := func(method, target, body string, header http.Header) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, "https://"+f.addr+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		req.Header.Set("Authorization", "Bearer secret")
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	put := do("PUT", "/v1/objects/a/..%2Fb", "hello", http.Header{})
	if put.ProtoMajor != 2 || put.StatusCode != 201 {
		t.Fatalf("PUT: %s %s", put.Proto, put.Status)
	}
	if get := do("GET", "/v1/objects/a/../b", "", http.Header{"Range": {"bytes=1-2"}}); get.StatusCode != 206 || get.ContentLength != 2 {
		t.Errorf("GET: %s", get.Status)
	}
}
