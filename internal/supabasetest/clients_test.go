package supabasetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSupabaseClientsAcceptTheFront drives the front with the clients that
// Supabase publishes: what they misunderstand, ours would have to get wrong too.
func TestSupabaseClientsAcceptTheFront(t *testing.T) {
	t.Parallel()
	dir := installClients(t)
	p := Open(t, shared, ProjectOptions{Resumable: ResumableOptions{StrictChunks: true}})
	migrate(t, p,
		"create function add(a int, b int) returns int language sql as 'select a + b'",
		"create function quiet() returns void language sql as ''",
		"create function pairs(n int) returns table (x int) language sql as 'select generate_series(1, n)'",
		"create function refuse() returns void language plpgsql as "+
			"$$ begin raise exception 'no' using detail = 'why', hint = 'do'; end $$",
		"create schema other",
		"grant usage on schema other to service_role",
		"create function other.where_am_i() returns text language sql as $$ select 'other' $$",
		"create table notes (id int primary key, v text)",
		"alter table notes enable row level security",
	)
	if err := p.Expose(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	broken := p.Inject(Fault{Match: "PATCH /upload/resumable", Kind: CutRequest, Bytes: 1 << 20})
	command := exec.CommandContext(t.Context(), "node", "check.cjs")
	command.Dir = dir
	command.Env = append(os.Environ(),
		"URL_BASE="+p.URL, "SERVICE_KEY="+p.ServiceKey, "ANON_KEY="+p.AnonKey, "SECRET_KEY="+p.SecretKey)
	output, err := command.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Fatal(err)
	}
	if broken.Hits() != 1 || p.Count("HEAD /upload/resumable") == 0 {
		t.Errorf("the upload was not resumed: %v", p.Requests())
	}
}

// installClients installs them into a copy, so that the repository stays as it
// is. It skips the test only if the registry of packages cannot be reached.
func installClients(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: tools/need node npm installs them", err)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "clients"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "npm", "ci",
		"--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1", "--fetch-timeout=30000")
	command.Dir = dir
	output, err := command.CombinedOutput()
	if err == nil {
		return dir
	}
	for _, unreachable := range []string{
		"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH", "SOCKET_TIMEOUT",
	} {
		if strings.Contains(string(output), unreachable) {
			t.Skipf("the clients cannot be installed, since the registry of packages cannot be reached: %s\n%s", unreachable, output)
		}
	}
	t.Fatalf("npm ci: %v\n%s", err, output)
	return ""
}
