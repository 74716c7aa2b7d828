package supabase

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// SchemaVersion is the version of the tables and functions this plugin works
// with.
const SchemaVersion = 1

// Defaults of [SchemaOptions].
const (
	DefaultSchema = "public"
	DefaultTable  = "stowage"
	DefaultRole   = "service_role"
)

// SchemaOptions say where the tables are and who may use them.
type SchemaOptions struct {
	// Schema is the PostgreSQL schema; it must be among those the API exposes.
	Schema string
	// Table is the table of the objects. The names of the other tables and of
	// the functions begin with it.
	Table string
	// Role is the only role that may use them.
	Role string
}

// functionNames are the functions of the script, without the table's name.
var functionNames = []string{
	"lock", "claim", "micros", "refusal", "apply_put", "apply_delete", "remove", "record", "info", "register",
	"get", "put", "delete", "batch", "list", "changes", "sweep", "garbage", "condemn", "forget",
}

//go:embed schema.sql
var schemaTemplate string

// identifier is what schema, table and role may be called. With the longest
// suffix a name stays under PostgreSQL's 63 bytes.
var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

// SQL returns the script that makes the tables and functions. It may be run
// again, and over an older version.
func (o SchemaOptions) SQL() (string, error) {
	o = o.withDefaults()
	for what, name := range map[string]string{"schema": o.Schema, "table": o.Table, "role": o.Role} {
		if !identifier.MatchString(name) {
			return "", fmt.Errorf("the %s is called %q; it may have lower-case letters, digits and _, begins with no digit, and has at most 40 bytes", what, name)
		}
	}
	functions := make([]string, len(functionNames))
	for i, name := range functionNames {
		functions[i] = "'" + o.Table + "_" + name + "'"
	}
	return strings.NewReplacer(
		"@functions@", "array["+strings.Join(functions, ", ")+"]",
		"@schema@", o.Schema, "@table@", o.Table, "@role@", o.Role, "@version@", strconv.Itoa(SchemaVersion),
	).Replace(schemaTemplate), nil
}

func (o SchemaOptions) withDefaults() SchemaOptions {
	for _, f := range []struct {
		field *string
		value string
	}{{&o.Schema, DefaultSchema}, {&o.Table, DefaultTable}, {&o.Role, DefaultRole}} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	return o
}
