package supabasetest

import (
	"context"
	"net/http"
	"testing"
)

// Open is [NewProject] for a test or benchmark: it fails it if that does not
// work, and closes the project at its end.
func Open(tb testing.TB, cluster *Cluster, options ProjectOptions) *Project {
	tb.Helper()
	p, err := NewProject(tb.Context(), cluster, options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// Exec runs statements as the owner, each in a transaction of its own, as a
// migration does. /rest/v1 does not see new functions before
// [Project.ReloadSchema].
func (p *Project) Exec(ctx context.Context, statements ...string) error {
	return p.cluster.execute(ctx, p.database, statements...)
}

// MakeBucket makes a bucket, as the dashboard does. It reports whether there was
// none of that name.
func (p *Project) MakeBucket(name string, public bool) bool {
	return p.storage.addBucket(&bucket{ID: name, Name: name, Public: public})
}

// Authorize adds to a request what a client with that key sends: a JWT also as
// bearer token, a key of the newer kind alone.
func (p *Project) Authorize(r *http.Request, key string) {
	r.Header.Set("Apikey", key)
	if key != p.PublishableKey && key != p.SecretKey {
		r.Header.Set("Authorization", "Bearer "+key)
	}
}
