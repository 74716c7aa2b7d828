package supabase

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// migrateTimeout bounds a migration. It makes no use of data, so it waits for
// locks at most.
const migrateTimeout = time.Minute

// Migrate runs a script of [SchemaOptions] on the database at url, in one
// transaction. The error has neither the URL nor the password in it.
func Migrate(ctx context.Context, url, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return &migrationError{errors.New("the URL of the database is malformed; it looks like postgresql://user:password@host:5432/postgres")}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return &migrationError{connectError(err)}
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return &migrationError{err}
	}
	return nil
}

// migrationError is one of the database, not of the usage.
type migrationError struct{ err error }

func (e *migrationError) Error() string { return "the database was not changed: " + e.err.Error() }

func (e *migrationError) Unwrap() error { return e.err }

// connectError leaves out the address and user that pgx would print.
func connectError(err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		if inner := connect.Unwrap(); inner != nil {
			return inner
		}
	}
	return err
}
