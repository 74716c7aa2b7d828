// Stowage-plugin-supabase stores objects in a Supabase project.
//
// A host runs it without arguments. "schema" prints the SQL that makes the
// tables and functions it needs, "migrate" applies it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/p2p-ai-agents/stowage/plugins/supabase/supabase"
	"github.com/p2p-ai-agents/stowage/sdk"
)

func main() {
	if len(os.Args) > 1 {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(supabase.Command(ctx, os.Args[1:], os.Stdout, os.Stderr))
	}
	sdk.Serve(supabase.Plugin())
}
