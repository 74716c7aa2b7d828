package supabasetest

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// The roles that requests run as, and the one that the front logs in as.
const (
	roleAnon          = "anon"
	roleAuthenticated = "authenticated"
	roleService       = "service_role"
	roleAuthenticator = "authenticator"
)

// createRoles makes the roles, which all databases of a cluster share.
func (c *Cluster) createRoles(ctx context.Context) error {
	return c.execute(
		ctx, superuser,
		"create role anon nologin noinherit",
		"create role authenticated nologin noinherit",
		"create role service_role nologin noinherit bypassrls",
		"create role authenticator login noinherit",
		"grant anon, authenticated, service_role to authenticator",
	)
}

// StatementTimeouts bound what a request may do in the database, by role. Zero
// is Supabase's default.
type StatementTimeouts struct {
	Anon          time.Duration // 3s
	Authenticated time.Duration // 8s
	ServiceRole   time.Duration // 8s
}

// createDatabase makes a database as a new project has it. The default grants on
// the schema public are a trap on purpose: whoever creates a table or a function
// there has given it to anon.
func (c *Cluster) createDatabase(ctx context.Context, name string, timeouts StatementTimeouts) error {
	database := pgx.Identifier{name}.Sanitize()
	if err := c.execute(ctx, superuser, "create database "+database); err != nil {
		return err
	}
	statements := []string{
		"alter database " + database + ` set search_path to "$user", public, extensions`,
		"create schema extensions",
		"grant usage on schema public, extensions to anon, authenticated, service_role",
	}
	for kind := range strings.SplitSeq("tables functions sequences", " ") {
		statements = append(statements, fmt.Sprintf(
			"alter default privileges for role postgres in schema public grant all on %s to anon, authenticated, service_role", kind,
		))
	}
	for role, timeout := range map[string]time.Duration{
		roleAnon:          cmp.Or(timeouts.Anon, 3*time.Second),
		roleAuthenticated: cmp.Or(timeouts.Authenticated, 8*time.Second),
		roleService:       cmp.Or(timeouts.ServiceRole, 8*time.Second),
		roleAuthenticator: 8 * time.Second,
	} {
		statements = append(statements, fmt.Sprintf(
			"alter role %s in database %s set statement_timeout to %d", role, database, timeout.Milliseconds(),
		))
	}
	statements = append(statements, "alter role authenticator in database "+database+" set lock_timeout to '8s'")
	return c.execute(ctx, name, statements...)
}
