package supabasetest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// client gives each test connections of its own, closed at its end.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// reply is an answer that was read wholly.
type reply struct {
	status int
	header http.Header
	body   string
}

// request makes one of header lines, as "Range: bytes=0-3".
func request(t *testing.T, p *Project, key, method, path, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		p.Authorize(r, key)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	return r
}

// do sends a request and reads the answer.
func do(c *http.Client, r *http.Request) (reply, error) {
	response, err := c.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := io.Copy(&body, response.Body); err != nil {
		return reply{response.StatusCode, response.Header, body.String()}, err
	}
	return reply{response.StatusCode, response.Header, body.String()}, nil
}

// must is do for a request that gets its answer.
func must(t *testing.T, c *http.Client, r *http.Request) reply {
	t.Helper()
	answer, err := do(c, r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	return answer
}

// want compares status and a part of the body.
func want(t *testing.T, got reply, status int, part string) {
	t.Helper()
	if got.status != status || !strings.Contains(got.body, part) {
		t.Errorf("got %d %s\nwant %d and %s", got.status, got.body, status, part)
	}
}

// migrate runs statements and lets the front see them.
func migrate(t *testing.T, p *Project, statements ...string) {
	t.Helper()
	if err := p.Exec(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
	if err := p.ReloadSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
}
