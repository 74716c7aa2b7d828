package supabasetest

import (
	"net/http"
	"testing"
	"time"
)

func TestRPCAnswersAsPostgRESTDoes(t *testing.T) {
	t.Parallel()
	p := Open(t, shared, ProjectOptions{MaxRows: 3, Timeouts: StatementTimeouts{ServiceRole: 100 * time.Millisecond}})
	migrate(t, p,
		"create function add(a int, b int default 10) returns int language sql as 'select a + b'",
		"create function quiet() returns void language sql as ''",
		"create function echo(t text) returns text language sql as 'select t'",
		`create function document() returns jsonb language sql as $$ select '{"a": [1, 2]}'::jsonb $$`,
		"create function nothing() returns json language sql as 'select null::json'",
		"create function bytes(b bytea) returns bytea language sql as 'select b'",
		"create function count_to(n int) returns setof int language sql as 'select generate_series(1, n)'",
		"create function pairs(n int) returns table (x int, y text) language sql as 'select i, i::text from generate_series(1, n) i'",
		"create type point2 as (x int, y int)",
		"create function one_point() returns point2 language sql as 'select 1, 2'",
		"create function two_out(out a int, out b text) language sql as $$ select 1, 'b' $$",
		"create function one_column() returns table (x int) language sql as 'select 1'",
		"create function one_out(out a int) language sql as 'select 1'",
		"create function whole(jsonb) returns jsonb language sql as 'select $1'",
		"create function raw(bytea) returns int language sql as 'select octet_length($1)'",
		"create function plain(text) returns int language sql as 'select length($1)'",
		`create domain "application/octet-stream" as bytea`,
		`create function download() returns "application/octet-stream" language sql as $$ select '\x0001ff'::bytea $$`,
		"create function twice(a int) returns int language sql as 'select 1'",
		"create function twice(a text) returns int language sql as 'select 2'",
		"create function total(variadic n int[]) returns bigint language sql as 'select sum(x) from unnest(n) x'",
		"create function fail(code text) returns void language plpgsql as "+
			"$$ begin raise exception 'no' using errcode = code, detail = 'why', hint = 'do'; end $$",
		"create function sleepy() returns void language sql as 'select pg_sleep(60)'",
		"create function patient() returns void language sql set statement_timeout = '30s' as 'select pg_sleep(0.2)'",
		"create function timeout() returns text language sql as $$ select current_setting('statement_timeout') $$",
		"create function level() returns text language sql as $$ select current_setting('transaction_isolation') $$",
		"create function strict_level() returns text language sql set default_transaction_isolation = 'serializable' "+
			"as $$ select current_setting('transaction_isolation') $$",
		`create function who() returns json language sql as $$ select json_build_object(
			'role', current_user, 'claims', current_setting('request.jwt.claims')::json->>'role',
			'header', current_setting('request.headers')::json->>'x-mine', 'path', current_setting('request.path')) $$`,
		`create function teapot() returns text language sql as $$
			select set_config('response.status', '418', true);
			select set_config('response.headers', '[{"X-Tea": "green"}]', true) $$`,
	)
	c := client(t)
	json := "Content-Type: application/json"
	for _, test := range []struct {
		name, function, body string
		header               []string
		status               int
		part                 string
	}{
		{"scalar", "add", `{"a": 1, "b": 2}`, nil, 200, "3"},
		{"default", "add", `{"a": 1}`, nil, 200, "11"},
		{"text that reads as a number", "add", `{"a": "1"}`, nil, 200, "11"},
		{"void", "quiet", `{}`, nil, 204, ""},
		{"empty body", "quiet", ``, nil, 204, ""},
		{"text is a JSON string", "echo", `{"t": "a\"<b>"}`, nil, 200, `"a\"<b>"`},
		{"null argument", "echo", `{"t": null}`, nil, 200, `null`},
		{"jsonb is itself", "document", `{}`, nil, 200, `{"a": [1, 2]}`},
		{"null result", "nothing", `{}`, nil, 200, `null`},
		{"bytea is hex", "bytes", `{"b": "\\x00ff"}`, nil, 200, `"\\x00ff"`},
		{"set of scalars", "count_to", `{"n": 2}`, nil, 200, "[1, 2]"},
		{"set that is too long", "count_to", `{"n": 9}`, nil, 200, "[1, 2, 3]"},
		{"empty set", "count_to", `{"n": 0}`, nil, 200, "[]"},
		{"table", "pairs", `{"n": 1}`, nil, 200, `[{"x":1,"y":"1"}]`},
		{"one object of a table", "pairs", `{"n": 1}`, []string{"Accept: application/vnd.pgrst.object+json"}, 200, `{"x":1,"y":"1"}`},
		{"one object of two", "pairs", `{"n": 2}`, []string{"Accept: application/vnd.pgrst.object+json"}, 406, `"code":"PGRST116"`},
		{"composite", "one_point", `{}`, nil, 200, `{"x":1,"y":2}`},
		{"out parameters", "two_out", `{}`, nil, 200, `{"a":1,"b":"b"}`},
		{"a table of one column", "one_column", `{}`, nil, 200, `[{"x":1}]`},
		{"one out parameter", "one_out", `{}`, nil, 200, `{"a":1}`},
		{"unnamed jsonb", "whole", `{"any": "thing"}`, nil, 200, `{"any": "thing"}`},
		{"unnamed jsonb takes a list", "whole", `[1]`, nil, 200, `[1]`},
		{"unnamed bytea", "raw", "\x00\xff\x01", []string{"Content-Type: application/octet-stream"}, 200, `3`},
		{"unnamed text", "plain", "four", []string{"Content-Type: text/plain"}, 200, `4`},
		{"domain of a media type", "download", `{}`, []string{"Accept: application/octet-stream"}, 200, "\x00\x01\xff"},
		{"variadic", "total", `{"n": [1, 2, 3]}`, nil, 200, "6"},
		{"overloads", "twice", `{"a": 1}`, nil, 300, `"code":"PGRST203"`},
		{"missing argument", "add", `{"b": 1}`, nil, 404, "Perhaps you meant to call the function public.add(a, b)"},
		{"unknown argument", "add", `{"a": 1, "c": 1}`, nil, 404, "Could not find the function public.add(a, c) in the schema cache"},
		{"unknown function", "ad", `{}`, nil, 404, `"code":"PGRST202"`},
		{"nearly the name", "documents", `{}`, nil, 404, `"hint":"Perhaps you meant to call the function public.document"`},
		{"invalid JSON", "add", `{"a": `, nil, 400, `"code":"PGRST102"`},
		{"invalid number", "add", `{"a": "x"}`, nil, 400, `"code":"22P02"`},
		{"content type", "add", `<a/>`, []string{"Content-Type: application/xml"}, 400, "Content-Type not acceptable: application/xml"},
		{"raise", "fail", `{"code": "P0001"}`, nil, 400, `{"code":"P0001","details":"why","hint":"do","message":"no"}`},
		{"unique", "fail", `{"code": "23505"}`, nil, 409, `"code":"23505"`},
		{"serialization", "fail", `{"code": "40001"}`, nil, 500, `"code":"40001"`},
		{"deadlock", "fail", `{"code": "40P01"}`, nil, 500, `"code":"40P01"`},
		{"chosen status", "fail", `{"code": "PT402"}`, nil, 402, `"code":"PT402"`},
		{"privilege", "fail", `{"code": "42501"}`, nil, 403, `"code":"42501"`},
		{"resources", "fail", `{"code": "53300"}`, nil, 503, `"code":"53300"`},
		{"statement timeout", "sleepy", `{}`, nil, 500, `"code":"57014"`},
		{"the role's timeout", "timeout", `{}`, nil, 200, `"100ms"`},
		{"a function's own timeout", "patient", `{}`, nil, 204, ""},
		{"isolation", "level", `{}`, nil, 200, `"read committed"`},
		{"a function's own isolation", "strict_level", `{}`, nil, 200, `"serializable"`},
		{
			"what the database sees", "who", `{}`,
			[]string{"X-Mine: yes"},
			200,
			`{"role" : "service_role", "claims" : "service_role", "header" : "yes", "path" : "/rpc/who"}`,
		},
		{"status and header of the database", "teapot", `{}`, nil, 418, "green"},
	} {
		t.Run(test.name, func(t *testing.T) {
			header := append([]string{json}, test.header...)
			got := must(t, c, request(t, p, p.ServiceKey, "POST", "/rest/v1/rpc/"+test.function, test.body, header...))
			want(t, got, test.status, test.part)
			if test.status == 418 && got.header.Get("X-Tea") != "green" {
				t.Errorf("headers %v", got.header)
			}
		})
	}
	t.Run("arguments in the query of a GET", func(t *testing.T) {
		want(t, must(t, c, request(t, p, p.ServiceKey, "GET", "/rest/v1/rpc/add?a=1&b=3", "")), 200, "4")
	})
	t.Run("other methods", func(t *testing.T) {
		want(t, must(t, c, request(t, p, p.ServiceKey, "DELETE", "/rest/v1/rpc/add", "")), 405, "PGRST101")
	})
	t.Run("answers are compressed for clients that take it", func(t *testing.T) {
		r := request(t, p, p.ServiceKey, "POST", "/rest/v1/rpc/nothing_near", "{}", "Accept-Encoding: gzip")
		if got := must(t, c, r); got.header.Get("Content-Encoding") != "gzip" {
			t.Errorf("headers %v", got.header)
		}
	})
}

func TestFunctionsAreSeenAfterAReload(t *testing.T) {
	t.Parallel()
	p := Open(t, shared, ProjectOptions{})
	c := client(t)
	if err := p.Exec(t.Context(), "create function f() returns int language sql as 'select 1'"); err != nil {
		t.Fatal(err)
	}
	call := func() reply { return must(t, c, request(t, p, p.SecretKey, "POST", "/rest/v1/rpc/f", "{}")) }
	want(t, call(), 404, "PGRST202")
	if err := p.ReloadSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, call(), 200, "1")

	t.Run("that a notification asks for", func(t *testing.T) {
		if err := p.Exec(t.Context(),
			"create function g() returns int language sql as 'select 2'", "notify pgrst, 'reload schema'"); err != nil {
			t.Fatal(err)
		}
		becomesServed(t, p, c, "/rest/v1/rpc/g")
	})
}

func TestTheSchemaIsReadAgainAfterTheDatabaseWasAway(t *testing.T) {
	t.Parallel()
	p := Open(t, shared, ProjectOptions{})
	c := client(t)
	if err := p.Exec(t.Context(),
		"create function f() returns int language sql as 'select 1'",
		"select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query = 'listen pgrst'",
	); err != nil {
		t.Fatal(err)
	}
	becomesServed(t, p, c, "/rest/v1/rpc/f")
}

// becomesServed waits for a function that is not in the schema yet.
func becomesServed(t *testing.T, p *Project, c *http.Client, path string) {
	t.Helper()
	for {
		got := must(t, c, request(t, p, p.SecretKey, "POST", path, "{}"))
		if got.status == http.StatusOK {
			return
		}
		want(t, got, 404, "PGRST202")
	}
}

func TestSchemasAreServedWhenExposed(t *testing.T) {
	t.Parallel()
	p := Open(t, shared, ProjectOptions{})
	c := client(t)
	migrate(t, p, "create schema stowage", "create function stowage.f() returns int language sql as 'select 1'")
	call := func() reply {
		return must(t, c, request(t, p, p.SecretKey, "POST", "/rest/v1/rpc/f", "{}", "Content-Profile: stowage"))
	}
	want(t, call(), 406, `"hint":"Only the following schemas are exposed: public","message":"Invalid schema: stowage"`)
	if err := p.Expose(t.Context(), "stowage"); err != nil {
		t.Fatal(err)
	}
	want(t, call(), 403, "permission denied for schema stowage")
	migrate(t, p, "grant usage on schema stowage to service_role")
	got := call()
	want(t, got, 200, "1")
	if got.header.Get("Content-Profile") != "stowage" {
		t.Errorf("headers %v", got.header)
	}
}
