package supabasetest

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// schemaCache is what PostgREST knows of the database. It is not changed after
// it was read.
type schemaCache struct {
	functions map[string][]*function // by name, all schemas
	tables    map[string][]string    // by schema
	settings  map[string][]setting   // by role
}

// function is one that can be called, of which overloads have the same name.
type function struct {
	schema, name string
	parameters   []parameter
	returnsSet   bool
	composite    bool
	returns      string // the type's name, without schema
	settings     []setting
}

// parameter is one that a caller may give.
type parameter struct {
	name     string // empty if it has none
	typeName string // as SQL writes it
	required bool
	variadic bool
}

// setting is a configuration parameter that a role or a function brings along.
type setting struct{ name, value string }

// readSchema reads what the exposed schemas hold, whoever may use it: privileges
// are checked by the call.
func readSchema(ctx context.Context, conn *pgx.Conn, exposed []string) (*schemaCache, error) {
	read := &schemaCache{
		functions: map[string][]*function{},
		tables:    map[string][]string{},
		settings:  map[string][]setting{},
	}
	for _, part := range []func(context.Context, *pgx.Conn, []string) error{
		read.readFunctions, read.readTables, read.readSettings,
	} {
		if err := part(ctx, conn, exposed); err != nil {
			return nil, err
		}
	}
	return read, nil
}

func (s *schemaCache) readFunctions(ctx context.Context, conn *pgx.Conn, exposed []string) error {
	rows, err := conn.Query(ctx, `
		select n.nspname, p.proname, p.proretset, t.typname,
		  t.typtype = 'c' or coalesce(p.proargmodes && '{o,b,t}'::"char"[], false),
		  p.pronargdefaults, coalesce(p.proargnames, '{}'), coalesce(p.proargmodes::text[], '{}'),
		  array(
		    select format_type(a.type, null)
		    from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as a(type, place) order by place
		  ),
		  coalesce(p.proconfig, '{}')
		from pg_proc p
		join pg_namespace n on n.oid = p.pronamespace
		join pg_type t on t.oid = p.prorettype
		where p.prokind = 'f' and n.nspname = any($1) and t.typname not in ('trigger', 'event_trigger')
		order by n.nspname, p.proname, p.pronargs, p.oid`, exposed)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			f                          function
			defaults                   int
			names, modes, types, store []string
		)
		if err := rows.Scan(
			&f.schema, &f.name, &f.returnsSet, &f.returns, &f.composite, &defaults, &names, &modes, &types, &store,
		); err != nil {
			return err
		}
		f.parameters = inputs(names, modes, types, defaults)
		f.settings = hoisted(parseSettings(store))
		s.functions[f.name] = append(s.functions[f.name], &f)
	}
	return rows.Err()
}

// inputs leaves out what a function only returns. The last ones have defaults.
func inputs(names, modes, types []string, defaults int) []parameter {
	var inputs []parameter
	for i, typeName := range types {
		mode := "i"
		if i < len(modes) {
			mode = modes[i]
		}
		if !strings.Contains("ibv", mode) {
			continue
		}
		p := parameter{typeName: typeName, required: true, variadic: mode == "v"}
		if i < len(names) {
			p.name = names[i]
		}
		inputs = append(inputs, p)
	}
	for i := max(0, len(inputs)-defaults); i < len(inputs); i++ {
		inputs[i].required = false
	}
	return inputs
}

func (s *schemaCache) readTables(ctx context.Context, conn *pgx.Conn, exposed []string) error {
	rows, err := conn.Query(ctx, `
		select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'v', 'm', 'f', 'p') and n.nspname = any($1)`, exposed)
	if err != nil {
		return err
	}
	var schema, table string
	_, err = pgx.ForEachRow(rows, []any{&schema, &table}, func() error {
		s.tables[schema] = append(s.tables[schema], table)
		return nil
	})
	return err
}

// readSettings reads what roles bring along. What is set for this database comes
// later and so wins.
func (s *schemaCache) readSettings(ctx context.Context, conn *pgx.Conn, _ []string) error {
	rows, err := conn.Query(ctx, `
		select r.rolname, s.setconfig from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
		where s.setdatabase = 0 or s.setdatabase = (select oid from pg_database where datname = current_database())
		order by s.setdatabase`)
	if err != nil {
		return err
	}
	var role string
	var store []string
	_, err = pgx.ForEachRow(rows, []any{&role, &store}, func() error {
		s.settings[role] = append(s.settings[role], parseSettings(store)...)
		return nil
	})
	return err
}

// parseSettings reads "name=value" as the catalogs keep them.
func parseSettings(store []string) []setting {
	settings := make([]setting, 0, len(store))
	for _, entry := range store {
		name, value, _ := strings.Cut(entry, "=")
		settings = append(settings, setting{name, value})
	}
	return settings
}

// hoisted are the settings of a function that must be in force before it is
// called to have an effect. The others PostgreSQL applies itself.
func hoisted(settings []setting) []setting {
	return slices.DeleteFunc(settings, func(s setting) bool {
		return s.name != "statement_timeout" && s.name != "default_transaction_isolation"
	})
}
