package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// objectJSON is an object as --json prints it.
type objectJSON struct {
	Key         string            `json:"key"`
	Size        int64             `json:"size"`
	ETag        string            `json:"etag"`
	ContentType string            `json:"content_type,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	ModTime     time.Time         `json:"mod_time"`
	ExpiresAt   *time.Time        `json:"expires_at,omitempty"`
	CRC32C      string            `json:"crc32c"`
	Created     string            `json:"created,omitempty"`
}

func toJSON(o storage.Object) objectJSON {
	j := objectJSON{
		Key: o.Key, Size: o.Size, ETag: o.ETag, ContentType: o.ContentType, Metadata: o.Metadata,
		ModTime: o.ModTime, CRC32C: fmt.Sprintf("%08x", o.CRC32C),
	}
	if !o.ExpiresAt.IsZero() {
		j.ExpiresAt = &o.ExpiresAt
	}
	return j
}

// conditionFlags are the conditions of a write on the command line.
type conditionFlags struct {
	absent, exists bool
	etag           string
}

func (f *conditionFlags) register(cmd *cobra.Command, absent bool) {
	if absent {
		cmd.Flags().BoolVar(&f.absent, "if-absent", false, "only if the key does not exist")
	}
	cmd.Flags().BoolVar(&f.exists, "if-exists", false, "only if the key exists")
	cmd.Flags().StringVar(&f.etag, "if-match", "", "only if the object has this `ETAG`")
}

func (f *conditionFlags) condition(cmd *cobra.Command) (storage.Condition, error) {
	var all []storage.Condition
	if f.absent {
		all = append(all, storage.IfAbsent())
	}
	if f.exists {
		all = append(all, storage.IfExists())
	}
	if cmd.Flags().Changed("if-match") {
		all = append(all, storage.IfETag(f.etag))
	}
	switch len(all) {
	case 0:
		return storage.Condition{}, nil
	case 1:
		return all[0], nil
	default:
		return storage.Condition{}, usagef("at most one of --if-absent, --if-exists and --if-match can be given")
	}
}

func (a *app) putCommand() *cobra.Command {
	var opts storage.PutOptions
	var condition conditionFlags
	var fresh freshness
	cmd := &cobra.Command{
		Use:     "put KEY [FILE]",
		Short:   "Store FILE, or standard input, under KEY",
		Example: "  stowage put models/a model.bin --content-type application/octet-stream --meta author=ada\n  echo hello | stowage put greeting --ttl 1h",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if opts.If, err = condition.condition(cmd); err != nil {
				return err
			}
			if err := fresh.parse(cmd); err != nil {
				return err
			}
			opts.Consistency, opts.Session = fresh.write, fresh.session
			body := a.stdin
			if len(args) == 2 && args[1] != "-" {
				f, size, err := openFile(args[1])
				if err != nil {
					return err
				}
				defer f.Close()
				body, opts.SizeHint = f, size
			}
			return a.withSession(cmd.Context(), &fresh, func(ctx context.Context, s storage.Store) error {
				res, err := s.Put(ctx, args[0], body, opts)
				if err != nil {
					return err
				}
				if a.json {
					j := toJSON(res.Object)
					j.Created = res.Created.String()
					return a.printJSON(j)
				}
				return nil
			})
		},
	}
	condition.register(cmd, true)
	cmd.Flags().StringVar(&opts.ContentType, "content-type", "", "content `TYPE` to keep with the object")
	cmd.Flags().StringToStringVar(&opts.Metadata, "meta", nil, "metadata `NAME=VALUE` to keep with the object, repeatable")
	cmd.Flags().DurationVar(&opts.TTL, "ttl", 0, "`TIME` the object lives, such as 90s or 24h; 0: for ever")
	fresh.register(cmd)
	return cmd
}

func (a *app) getCommand() *cobra.Command {
	var opts storage.GetOptions
	var output string
	var fresh freshness
	var offset, length int64
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Write the value of KEY to standard output or a file",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fresh.parse(cmd); err != nil {
				return err
			}
			opts.Consistency, opts.Session = fresh.read, fresh.session
			if cmd.Flags().Changed("offset") || cmd.Flags().Changed("length") {
				opts.Range = storage.RangeOf(offset, length)
			}
			return a.withSession(cmd.Context(), &fresh, func(ctx context.Context, s storage.Store) error {
				r, err := s.Get(ctx, args[0], opts)
				if err != nil {
					return err
				}
				defer r.Close()
				if output == "" || output == "-" {
					_, err = io.Copy(a.stdout, r)
					return err
				}
				return writeFile(output, r)
			})
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`, which appears whole or not at all")
	cmd.Flags().Int64Var(&offset, "offset", 0, "first `BYTE` to read")
	cmd.Flags().Int64Var(&length, "length", -1, "`BYTES` to read; -1: to the end")
	cmd.Flags().StringVar(&opts.IfMatch, "if-match", "", "only if the object has this `ETAG`")
	fresh.register(cmd)
	return cmd
}

func (a *app) statCommand() *cobra.Command {
	var fresh freshness
	cmd := &cobra.Command{
		Use:   "stat KEY",
		Short: "Describe the object under KEY",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fresh.parse(cmd); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), &fresh, func(ctx context.Context, s storage.Store) error {
				o, err := s.Stat(ctx, args[0], storage.StatOptions{Consistency: fresh.read, Session: fresh.session})
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(toJSON(o))
				}
				return a.printObject(o)
			})
		},
	}
	fresh.register(cmd)
	return cmd
}

func (a *app) printObject(o storage.Object) error {
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "key\t%s\nsize\t%d\netag\t%s\n", printable(o.Key), o.Size, printable(o.ETag))
	if o.ContentType != "" {
		fmt.Fprintf(w, "content type\t%s\n", printable(o.ContentType))
	}
	fmt.Fprintf(w, "modified\t%s\n", o.ModTime.Format(time.RFC3339))
	if !o.ExpiresAt.IsZero() {
		fmt.Fprintf(w, "expires\t%s\n", o.ExpiresAt.Format(time.RFC3339))
	}
	fmt.Fprintf(w, "crc32c\t%08x\n", o.CRC32C)
	for _, name := range slices.Sorted(maps.Keys(o.Metadata)) {
		fmt.Fprintf(w, "meta %s\t%s\n", printable(name), printable(o.Metadata[name]))
	}
	return w.Flush()
}

func (a *app) rmCommand() *cobra.Command {
	var condition conditionFlags
	var fresh freshness
	var recursive bool
	cmd := &cobra.Command{
		Use:   "rm KEY...",
		Short: "Delete objects; a missing one is no error",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := condition.condition(cmd)
			if err != nil {
				return err
			}
			if recursive && !c.IsNone() {
				return usagef("--recursive and conditions exclude each other")
			}
			if recursive && slices.Contains(args, "") {
				return usagef("an empty KEY with --recursive would delete everything; name the prefixes to delete")
			}
			if err := fresh.parse(cmd); err != nil {
				return err
			}
			opts := storage.DeleteOptions{If: c, Consistency: fresh.write, Session: fresh.session}
			return a.withSession(cmd.Context(), &fresh, func(ctx context.Context, s storage.Store) error {
				for _, key := range args {
					if recursive {
						err = eachObject(ctx, s, &fresh, key, func(o storage.Object) error {
							_, err := s.Delete(ctx, o.Key, opts)
							return err
						})
					} else {
						_, err = s.Delete(ctx, key, opts)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	condition.register(cmd, false)
	fresh.register(cmd)
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "delete every object whose key begins with KEY")
	return cmd
}

// eachObject calls do for every object whose key begins with prefix, in order.
func eachObject(ctx context.Context, s storage.Store, fresh *freshness, prefix string, do func(storage.Object) error) error {
	opts := storage.ListOptions{Prefix: prefix, Consistency: fresh.read, Session: fresh.session}
	for {
		page, err := s.List(ctx, opts)
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			if err := do(o); err != nil {
				return err
			}
		}
		if page.NextToken == "" {
			return nil
		}
		opts.Token = page.NextToken
	}
}
