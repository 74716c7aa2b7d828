package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (a *app) lsCommand() *cobra.Command {
	var long, recursive bool
	var fresh freshness
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List keys that begin with PREFIX, level by level",
		Long: `List keys that begin with PREFIX. Keys that have a '/' after it are rolled up
into the part up to that '/', unless --recursive is given. Keys that would
disturb a terminal are quoted as in Go. With --json each line is a document:
an object, or {"prefix": …}.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := storage.ListOptions{Delimiter: "/"}
			if len(args) == 1 {
				opts.Prefix = args[0]
			}
			if recursive {
				opts.Delimiter = ""
			}
			if err := fresh.parse(cmd); err != nil {
				return err
			}
			opts.Consistency, opts.Session = fresh.read, fresh.session
			return a.withSession(cmd.Context(), &fresh, func(ctx context.Context, s storage.Store) error {
				return a.list(ctx, s, opts, long)
			})
		},
	}
	cmd.Flags().BoolVarP(&long, "long", "l", false, "show size, time and etag")
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "do not roll keys up")
	fresh.register(cmd)
	return cmd
}

// list prints page by page, so that a listing may have any length.
func (a *app) list(ctx context.Context, s storage.Store, opts storage.ListOptions, long bool) error {
	out := bufio.NewWriter(a.stdout)
	for {
		page, err := s.List(ctx, opts)
		if err != nil {
			return err
		}
		switch {
		case a.json:
			err = eachEntry(page, func(o storage.Object) error { return writeLine(out, toJSON(o)) },
				func(prefix string) error { return writeLine(out, map[string]string{"prefix": prefix}) })
		case long:
			err = listLong(out, page)
		default:
			short := func(name string) error { _, err := fmt.Fprintln(out, printable(name)); return err }
			err = eachEntry(page, func(o storage.Object) error { return short(o.Key) }, short)
		}
		if err := errors.Join(err, out.Flush()); err != nil {
			return err
		}
		if page.NextToken == "" {
			return nil
		}
		opts.Token = page.NextToken
	}
}

func listLong(out io.Writer, page storage.Page) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	err := eachEntry(page, func(o storage.Object) error {
		_, err := fmt.Fprintf(w, "%d\t%s\t%s\t  %s\n", o.Size, o.ModTime.Format(time.RFC3339), printable(o.ETag), printable(o.Key))
		return err
	}, func(prefix string) error {
		_, err := fmt.Fprintf(w, "-\t-\t-\t  %s\n", printable(prefix))
		return err
	})
	return errors.Join(err, w.Flush())
}

// eachEntry calls object and prefix for the entries of a page, in one order.
func eachEntry(page storage.Page, object func(storage.Object) error, prefix func(string) error) error {
	objects, prefixes := page.Objects, page.Prefixes
	for len(objects)+len(prefixes) > 0 {
		var err error
		if len(objects) == 0 || len(prefixes) > 0 && prefixes[0] < objects[0].Key {
			err, prefixes = prefix(prefixes[0]), prefixes[1:]
		} else {
			err, objects = object(objects[0]), objects[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}
