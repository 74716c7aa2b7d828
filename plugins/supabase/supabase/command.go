package supabase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// Command runs the plugin's binary as a person does and returns its exit
// status: 0 ok, 1 failed, 2 wrong usage.
func Command(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := &cobra.Command{
		Use:           "stowage-plugin-supabase",
		Short:         "The Supabase backend of Stowage. A host runs it without arguments.",
		Version:       Version,
		SilenceErrors: true, SilenceUsage: true,
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(schemaCmd(), migrateCmd())
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	var failed *migrationError
	switch err := root.ExecuteContext(ctx); {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		fmt.Fprintln(errOut, "stowage-plugin-supabase:", err)
		return 1
	default:
		fmt.Fprintf(errOut, "stowage-plugin-supabase: %v\n'stowage-plugin-supabase --help' lists commands and flags.\n", err)
		return 2
	}
}

func schemaFlags(cmd *cobra.Command) *SchemaOptions {
	var o SchemaOptions
	cmd.Flags().StringVar(&o.Schema, "schema", DefaultSchema, "the PostgreSQL `SCHEMA` of the tables; the API must expose it")
	cmd.Flags().StringVar(&o.Table, "table", DefaultTable, "the `TABLE` of the objects; other names begin with it")
	cmd.Flags().StringVar(&o.Role, "role", DefaultRole, "the only `ROLE` that may use them; made if it does not exist")
	return &o
}

func schemaCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the SQL that makes the tables and functions",
		Long: "Print the SQL that makes the tables and functions. Run it in the project's SQL editor,\n" +
			"or let 'migrate' apply it. Running it again changes nothing that is stored.",
		Args: cobra.NoArgs,
	}
	o := schemaFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		sql, err := o.SQL()
		if err != nil {
			return err
		}
		_, err = io.WriteString(cmd.OutOrStdout(), sql)
		return err
	}
	return cmd
}

func migrateCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Apply it to a database",
		Long: "Apply what 'schema' prints to a database. The URL is that of a direct or session\n" +
			"connection, as the project shows it under Connect, for a role that may create tables.",
		Args: cobra.NoArgs,
	}
	o := schemaFlags(cmd)
	url := cmd.Flags().String("db-url", os.Getenv("SUPABASE_DB_URL"), "the postgresql:// `URL` of the database (default $SUPABASE_DB_URL)")
	cmd.Flags().Lookup("db-url").DefValue = ""
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *url == "" {
			return errors.New("--db-url or SUPABASE_DB_URL must name the database")
		}
		sql, err := o.SQL()
		if err != nil {
			return err
		}
		if err := Migrate(cmd.Context(), *url, sql); err != nil {
			return err
		}
		done := o.withDefaults()
		fmt.Fprintf(cmd.OutOrStdout(), "%s.%s has version %d; the role %s may use it.\n", done.Schema, done.Table, SchemaVersion, done.Role)
		return nil
	}
	return cmd
}
