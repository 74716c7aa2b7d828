package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (a *app) lsCommand() *cobra.Command {
	var long, recursive bool
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List keys that begin with PREFIX, level by level",
		Long: `List keys that begin with PREFIX. Keys that have a '/' after it are rolled up
into the part up to that '/', unless --recursive is given.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := storage.ListOptions{Delimiter: "/"}
			if len(args) == 1 {
				opts.Prefix = args[0]
			}
			if recursive {
				opts.Delimiter = ""
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, s storage.Store) error {
				return a.list(ctx, s, opts, long)
			})
		},
	}
	cmd.Flags().BoolVarP(&long, "long", "l", false, "show size, time and etag")
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "do not roll keys up")
	return cmd
}

// list prints page by page, objects and prefixes merged into one order. With
// --json it prints a document a line.
func (a *app) list(ctx context.Context, s storage.Store, opts storage.ListOptions, long bool) error {
	for {
		page, err := s.List(ctx, opts)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
		objects, prefixes := page.Objects, page.Prefixes
		for len(objects)+len(prefixes) > 0 {
			if len(objects) == 0 || len(prefixes) > 0 && prefixes[0] < objects[0].Key {
				if err := a.listPrefix(w, prefixes[0], long); err != nil {
					return err
				}
				prefixes = prefixes[1:]
				continue
			}
			if err := a.listObject(w, objects[0], long); err != nil {
				return err
			}
			objects = objects[1:]
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if page.NextToken == "" {
			return nil
		}
		opts.Token = page.NextToken
	}
}

func (a *app) listPrefix(w *tabwriter.Writer, prefix string, long bool) error {
	var err error
	switch {
	case a.json:
		return a.printLine(map[string]string{"prefix": prefix})
	case long:
		_, err = fmt.Fprintf(w, "-\t-\t-\t  %s\n", printable(prefix))
	default:
		_, err = fmt.Fprintln(a.stdout, printable(prefix))
	}
	return err
}

func (a *app) listObject(w *tabwriter.Writer, o storage.Object, long bool) error {
	switch {
	case a.json:
		return a.printLine(toJSON(o))
	case long:
		_, err := fmt.Fprintf(w, "%d\t%s\t%s\t  %s\n", o.Size, o.ModTime.Format(time.RFC3339), o.ETag, printable(o.Key))
		return err
	default:
		_, err := fmt.Fprintln(a.stdout, printable(o.Key))
		return err
	}
}
