package supabasetest

import (
	"testing"
	"time"
)

func TestTheGatewayKnowsItsKeys(t *testing.T) {
	t.Parallel()
	p := Open(t, shared, ProjectOptions{})
	migrate(t, p, "create function who() returns text language sql as 'select current_user::text'")
	c := client(t)
	token := func(role string, life time.Duration) string {
		signed, err := p.Token(role, life, map[string]any{"sub": "1"})
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	const mozilla = "User-Agent: Mozilla/5.0 (X11; Linux x86_64)"
	for _, test := range []struct {
		name   string
		header []string
		status int
		part   string
	}{
		{"none", nil, 401, `"message":"No API key found in request"`},
		{"wrong", []string{"apikey: sb_secret_wrong"}, 401, `"message":"Invalid API key"`},
		{"anon", []string{"apikey: " + p.AnonKey, "Authorization: Bearer " + p.AnonKey}, 200, `"anon"`},
		{"service", []string{"apikey: " + p.ServiceKey, "Authorization: Bearer " + p.ServiceKey}, 200, `"service_role"`},
		{"a legacy key without bearer token is anonymous", []string{"apikey: " + p.ServiceKey}, 200, `"anon"`},
		{"publishable", []string{"apikey: " + p.PublishableKey}, 200, `"anon"`},
		{"secret", []string{"apikey: " + p.SecretKey}, 200, `"service_role"`},
		{"secret as bearer token", []string{"apikey: " + p.SecretKey, "Authorization: Bearer " + p.SecretKey}, 401, `Expected 3 parts in JWT; got 1`},
		{"secret in a browser", []string{"apikey: " + p.SecretKey, mozilla}, 401, `"message":"Forbidden use of secret API key in browser"`},
		{"publishable in a browser", []string{"apikey: " + p.PublishableKey, mozilla}, 200, `"anon"`},
		{"a user", []string{"apikey: " + p.PublishableKey, "Authorization: Bearer " + token("authenticated", time.Hour)}, 200, `"authenticated"`},
		{"a user of the past", []string{"apikey: " + p.AnonKey, "Authorization: Bearer " + token("authenticated", -time.Hour)}, 401, `"code":"PGRST303","details":null,"hint":null,"message":"JWT expired"`},
		{"a role that is not", []string{"apikey: " + p.AnonKey, "Authorization: Bearer " + token("nobody", time.Hour)}, 401, `role \"nobody\" does not exist`},
		{"a forged token", []string{"apikey: " + p.AnonKey, "Authorization: Bearer " + p.AnonKey + "x"}, 401, `"code":"PGRST301"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := must(t, c, request(t, p, "", "POST", "/rest/v1/rpc/who", "{}", test.header...))
			want(t, got, test.status, test.part)
		})
	}
}

func TestRolesSeeWhatTheyMay(t *testing.T) {
	t.Parallel()
	p := Open(t, shared, ProjectOptions{Timeouts: StatementTimeouts{Anon: 50 * time.Millisecond}})
	migrate(t, p,
		"create table open (id int primary key, v text)",
		"create table closed (id int primary key, v text)",
		"alter table closed enable row level security",
		"insert into open values (1, 'a'), (2, 'b')",
		"insert into closed values (1, 'a'), (2, 'b')",
		"create function secret() returns int language sql as 'select 1'",
		"revoke execute on function secret from public, anon",
		"create function sleepy() returns void language sql as 'select pg_sleep(60)'",
	)
	c := client(t)
	for _, test := range []struct {
		name, key, method, path, body string
		status                        int
		part                          string
	}{
		{"anon reads a new table", p.AnonKey, "GET", "/open?select=id,v&order=id.desc&limit=1", "", 200, `[{"id":2,"v":"b"}]`},
		{"a filter", p.AnonKey, "GET", "/open?v=eq.a", "", 200, `[{"id":1,"v":"a"}]`},
		{"row level security hides rows", p.PublishableKey, "GET", "/closed?select=*", "", 200, `[]`},
		{"but not from the service role", p.SecretKey, "GET", "/closed?id=eq.2", "", 200, `[{"id":2,"v":"b"}]`},
		{"anon may not insert", p.AnonKey, "POST", "/closed", `{"id": 3}`, 401, `"code":"42501"`},
		{"the service role may", p.ServiceKey, "POST", "/closed", `{"id": 3}`, 201, ``},
		{"once", p.ServiceKey, "POST", "/closed", `{"id": 3}`, 409, `"code":"23505"`},
		{"a revoked function", p.AnonKey, "POST", "/rpc/secret", `{}`, 401, "permission denied for function secret"},
		{"which others may call", p.ServiceKey, "POST", "/rpc/secret", `{}`, 200, "1"},
		{"anon's time", p.AnonKey, "POST", "/rpc/sleepy", `{}`, 500, `"code":"57014"`},
		{"no such table", p.AnonKey, "GET", "/nothing", ``, 404, `"code":"PGRST205"`},
		{"no such column", p.AnonKey, "GET", "/open?select=x", ``, 400, `"code":"42703"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			want(t, must(t, c, request(t, p, test.key, test.method, "/rest/v1"+test.path, test.body)), test.status, test.part)
		})
	}
}
