package supabase

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestOpenSaysWhatToRunWhereTheTablesAreNotRight(t *testing.T) {
	for name, test := range map[string]struct {
		prepare   func(t *testing.T, p *supabasetest.Project)
		configure func(c *Config, p *supabasetest.Project)
		attribute string
		want      []string
	}{
		"missing": {
			attribute: "table", want: []string{"stowage-plugin-supabase schema'", "SQL editor", "reload schema"},
		},
		"missing under another name": {
			configure: func(c *Config, _ *supabasetest.Project) { c.Table = "things" },
			attribute: "table", want: []string{"stowage-plugin-supabase schema --table things'"},
		},
		"old": {
			prepare: func(t *testing.T, p *supabasetest.Project) {
				migrate(t, p, SchemaOptions{})
				exec(t, p, `update public.stowage_meta set version = 0`)
			},
			attribute: "table", want: []string{"version 0", "needs 1", "stowage-plugin-supabase schema'"},
		},
		"new": {
			prepare: func(t *testing.T, p *supabasetest.Project) {
				migrate(t, p, SchemaOptions{})
				exec(t, p, `update public.stowage_meta set version = 7`)
			},
			attribute: "table", want: []string{"version 7", "newer plugin"},
		},
		"not exposed": {
			prepare:   func(t *testing.T, p *supabasetest.Project) { migrate(t, p, SchemaOptions{Schema: "apart"}) },
			configure: func(c *Config, _ *supabasetest.Project) { c.Schema = "apart" },
			attribute: "schema", want: []string{"PGRST106", "add the schema apart to the exposed schemas"},
		},
		"anon key": {
			prepare: func(t *testing.T, p *supabasetest.Project) { migrate(t, p, SchemaOptions{}) },
			configure: func(c *Config, p *supabasetest.Project) {
				c.SecretKey, c.AnonKey = "", p.AnonKey
			},
			attribute: "anon_key", want: []string{"42501", "service_role unless --role"},
		},
		"wrong key": {
			prepare:   func(t *testing.T, p *supabasetest.Project) { migrate(t, p, SchemaOptions{}) },
			configure: func(c *Config, _ *supabasetest.Project) { c.SecretKey = "sb_secret_wrong" },
			attribute: "secret_key", want: []string{"wrong, revoked or expired"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := supabasetest.Open(t, shared.get(t), supabasetest.ProjectOptions{})
			if test.prepare != nil {
				test.prepare(t, p)
			}
			c := config(p)
			if test.configure != nil {
				test.configure(c, p)
			}
			_, err := tryOpen(t, c, "")
			diags := diagnosticsOf(t, err)
			if got := schema.FormatPath(diags[0].Path); got != test.attribute {
				t.Errorf("it points at %q", got)
			}
			for _, want := range test.want {
				if !strings.Contains(diags[0].Detail, want) {
					t.Errorf("it does not say %q: %s", want, diags[0].Detail)
				}
			}
			if strings.Contains(diags.Error(), c.SecretKey) && c.SecretKey != "" {
				t.Errorf("the key is in it: %v", diags)
			}
		})
	}
}

func exec(t testing.TB, p *supabasetest.Project, statements ...string) {
	t.Helper()
	if err := p.Exec(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
}

func TestTablesThatVanishAreUnavailableUntilTheyAreBack(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	put(t, b, "k", "v", storage.PutOptions{})
	exec(t, project, `alter function public.stowage_get(text, jsonb, bigint) rename to hidden`)
	if err := project.ReloadSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := b.Get(t.Context(), "k", storage.GetOptions{})
	if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "stowage-plugin-supabase schema") {
		t.Errorf("a get without its function: %v", err)
	}
	exec(t, project, `drop function public.hidden(text, jsonb, bigint)`)
	migrate(t, project, SchemaOptions{}) // as the error says
	if got := get(t, b, "k"); got != "v" {
		t.Errorf("afterwards it is %q", got)
	}
}

func TestEveryKeyMayDoWhatItShould(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	migrate(t, project, SchemaOptions{Table: "kept", Role: "keeper"})
	token := func(role string) string {
		t.Helper()
		text, err := project.Token(role, time.Hour, nil)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]*Config{
		"secret key":                       {SecretKey: project.SecretKey, Table: "stowage"},
		"legacy service_role key":          {ServiceRoleKey: project.ServiceKey, Table: "stowage"},
		"service_role key behind anon key": {ServiceRoleKey: project.ServiceKey, AnonKey: project.AnonKey, Table: "stowage"},
		"role of one's own":                {ServiceRoleKey: token("keeper"), AnonKey: project.AnonKey, Table: "kept"},
	} {
		full := config(project)
		full.SecretKey, full.ServiceRoleKey, full.AnonKey, full.Table = c.SecretKey, c.ServiceRoleKey, c.AnonKey, c.Table
		if diags := full.Validate(t.Context()); diags.HasErrors() {
			t.Fatal(diags)
		}
		b := openWith(t, full, "")
		put(t, b, "k", name, storage.PutOptions{})
		if got := get(t, b, "k"); got != name {
			t.Errorf("%s: got %q", name, got)
		}
		if _, err := b.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.sweep(t.Context(), false)
	}
	for name, key := range map[string]string{
		"publishable": project.PublishableKey, "anon": project.AnonKey,
		"role of one's own elsewhere": token("keeper"), "service_role where it has no business": project.ServiceKey,
	} {
		table := map[bool]string{true: "kept", false: "stowage"}[strings.HasPrefix(name, "service_role")]
		for _, path := range []string{"/rest/v1/" + table + "?select=*", "/rest/v1/" + table + "_log?select=*"} {
			if status, body := fetch(t, project, path, key); status < 400 {
				t.Errorf("the %s key reads %s: %d %s", name, path, status, body)
			}
		}
	}
}

func fetch(t testing.TB, p *supabasetest.Project, path, key string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Authorize(req, key)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body.String()
}

func TestTheCommandsMakeTheTablesAndMayBeRepeated(t *testing.T) {
	project := supabasetest.Open(t, shared.get(t), supabasetest.ProjectOptions{})
	run := func(args ...string) (int, string, string) {
		var out, errOut bytes.Buffer
		code := Command(t.Context(), args, &out, &errOut)
		return code, out.String(), errOut.String()
	}
	for range 2 {
		if code, out, errOut := run("migrate", "--db-url", project.DSN()); code != 0 || !strings.Contains(out, "public.stowage has version 1") {
			t.Fatalf("migrate: %d %s %s", code, out, errOut)
		}
	}
	if err := project.ReloadSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := openWith(t, config(project), "")
	put(t, b, "k", "v", storage.PutOptions{})
	code, sql, _ := run("schema")
	if code != 0 {
		t.Fatalf("schema: %d", code)
	}
	if err := Migrate(t.Context(), project.DSN(), sql); err != nil {
		t.Fatal(err)
	}
	if got := get(t, b, "k"); got != "v" {
		t.Errorf("after another migration it is %q", got)
	}
	exec(t, project, `update public.stowage_meta set version = 2`)
	code, _, errOut := run("migrate", "--db-url", project.DSN())
	if code != 1 || !strings.Contains(errOut, "use the newer plugin") {
		t.Errorf("an older plugin: %d %s", code, errOut)
	}
	for _, args := range [][]string{{"migrate"}, {"schema", "--table", "A"}, {"shema"}} {
		if code, _, errOut := run(args...); code != 2 || errOut == "" {
			t.Errorf("%v: %d %s", args, code, errOut)
		}
	}
	code, out, errOut := run("migrate", "--db-url", "postgresql://me:s3cret@127.0.0.1:1/db")
	if code != 1 || strings.Contains(out+errOut, "s3cret") || !strings.Contains(errOut, "not changed") {
		t.Errorf("no database: %d %s %s", code, out, errOut)
	}
}

func TestMigratingAgainDisturbsNobody(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	ctx, stop := context.WithCancel(t.Context())
	l := startLoad(ctx, project, b, 8)
	sql, err := SchemaOptions{}.SQL()
	if err != nil {
		t.Fatal(err)
	}
	for range 25 {
		if err := Migrate(t.Context(), project.DSN(), sql); err != nil {
			t.Error(err)
		}
	}
	l.progress(t, 1)
	stop()
	l.judge(t)
}

func TestOnlyOneRoleMayUseTheTables(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	may := func(role string) (granted int) {
		query(t, project, &granted, `select has_table_privilege($1, 'public.stowage', 'select,insert,update,delete,truncate')::int
			+ has_table_privilege($1, 'public.stowage_log', 'select,insert,update,delete,truncate')::int
			+ has_function_privilege($1, 'public.stowage_register(uuid)', 'execute')::int
			+ has_sequence_privilege($1, 'public.stowage_versions', 'usage')::int`, role)
		return granted
	}
	for _, roles := range [][2]string{{"only_role", "service_role"}, {"service_role", "only_role"}} {
		migrate(t, project, SchemaOptions{Role: roles[0]})
		if got := may(roles[0]); got != 4 {
			t.Errorf("%s has %d of 4 rights", roles[0], got)
		}
		for _, other := range []string{roles[1], "anon", "authenticated"} {
			if got := may(other); got != 0 {
				t.Errorf("%s has %d rights beside %s", other, got, roles[0])
			}
		}
	}
}

func TestTwoMigrationsAtOnceDoNotDisturbEachOther(t *testing.T) {
	project := supabasetest.Open(t, shared.get(t), supabasetest.ProjectOptions{})
	sql, err := SchemaOptions{}.SQL()
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	for range 4 {
		go func() { failed <- Migrate(context.Background(), project.DSN(), sql) }()
	}
	for range 4 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}
