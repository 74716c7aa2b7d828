package supabasetest

import (
	"net/http"
	"strings"
	"testing"
)

// BenchmarkFunction says what the front itself costs, below which nothing that
// is measured over it can come.
func BenchmarkFunction(b *testing.B) {
	p := Open(b, shared, ProjectOptions{})
	if err := p.Exec(b.Context(), "create function one() returns int language sql as 'select 1'"); err != nil {
		b.Fatal(err)
	}
	if err := p.ReloadSchema(b.Context()); err != nil {
		b.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), "POST", p.URL+"/rest/v1/rpc/one", strings.NewReader("{}"))
		if err != nil {
			b.Fatal(err)
		}
		p.Authorize(r, p.SecretKey)
		if got, err := do(c, r); err != nil || got.status != 200 {
			b.Fatal(got, err)
		}
	}
}
