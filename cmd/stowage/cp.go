package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// storeScheme marks an argument of cp as a key.
const storeScheme = "stowage:"

type copier struct {
	store    storage.Store
	fresh    *freshness
	retryFor time.Duration
	progress *progress
	files    atomic.Int64
	bytes    atomic.Int64
	skipped  int64 // by walk
}

func (a *app) cpCommand() *cobra.Command {
	var recursive bool
	var parallel int
	var retryFor time.Duration
	var fresh freshness
	cmd := &cobra.Command{
		Use:   "cp SOURCE TARGET",
		Short: "Copy files to objects, objects to files, or objects to objects",
		Long: `Copy between the file system and the store. An argument that begins with
stowage: is a key, any other a path. A target that is a directory, ends in '/'
or is nothing but stowage: receives the source under the last part of its name.

With --recursive the source is a directory or a key prefix: what follows it is
appended to the target, with '/' between the parts. Links and special files are
skipped, and counted. A key that would lead out of the target directory, or has
no exact equivalent as a path, ends the copying.

What exists is replaced without asking.

An operation that fails for a passing reason, such as a plugin that is being
restarted, is tried again until --retry-for is over.`,
		Example: "  stowage cp -r ./models stowage:models/\n  stowage cp stowage:models/a.bin a.bin",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			src, fromStore := strings.CutPrefix(args[0], storeScheme)
			dst, toStore := strings.CutPrefix(args[1], storeScheme)
			if !fromStore && !toStore {
				return usagef("one of SOURCE and TARGET must begin with %q; to copy files use cp", storeScheme)
			}
			if parallel < 1 || parallel > 256 {
				return usagef("--parallel must be in the range 1 to 256")
			}
			if err := fresh.parse(cmd); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), &fresh, func(ctx context.Context, s storage.Store) error {
				c := &copier{store: s, fresh: &fresh, retryFor: retryFor}
				if !recursive {
					target, err := within(dst, src, fromStore, toStore)
					if err != nil {
						return err
					}
					return c.one(ctx, src, target, fromStore, toStore)
				}
				c.progress = a.newProgress()
				defer c.progress.done()
				group, ctx := errgroup.WithContext(ctx)
				group.SetLimit(parallel)
				err := c.walk(ctx, src, fromStore, func(name, rest string, size int64) error {
					target, err := join(dst, rest, toStore)
					if err != nil {
						return err
					}
					c.progress.expect(size)
					group.Go(func() error { return c.one(ctx, name, target, fromStore, toStore) })
					return ctx.Err()
				})
				if waitErr := group.Wait(); waitErr != nil {
					err = waitErr
				}
				c.progress.done()
				if a.json {
					return errors.Join(err, writeLine(a.stdout, map[string]int64{"objects": c.files.Load(), "bytes": c.bytes.Load(), "skipped": c.skipped}))
				}
				fmt.Fprintf(a.stderr, "objects copied: %d, bytes: %d\n", c.files.Load(), c.bytes.Load())
				if c.skipped > 0 {
					fmt.Fprintf(a.stderr, "links and special files skipped: %d\n", c.skipped)
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "copy a directory or all keys with a prefix")
	cmd.Flags().IntVar(&parallel, "parallel", 8, "`NUMBER` of objects copied at once")
	cmd.Flags().DurationVar(&retryFor, "retry-for", 30*time.Second, "`TIME` to go on trying an object that fails for a passing reason")
	fresh.register(cmd)
	return cmd
}

// walk calls do for every regular file below a directory, or every object with
// a prefix: its name, and what of it follows the source, without a '/' before.
func (c *copier) walk(ctx context.Context, src string, fromStore bool, do func(name, rest string, size int64) error) error {
	if fromStore {
		return eachObject(ctx, c.store, c.fresh, src, func(o storage.Object) error {
			rest := strings.TrimPrefix(o.Key, src)
			if src != "" && !strings.HasSuffix(src, "/") {
				rest = strings.TrimPrefix(rest, "/")
			}
			return do(o.Key, rest, o.Size)
		})
	}
	info, err := os.Stat(src)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return do(src, "", info.Size())
	}
	// The '/' makes a link to a directory as good as the directory.
	return filepath.WalkDir(src+"/", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if !entry.Type().IsRegular() {
			c.skipped++
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		return do(path, filepath.ToSlash(rest), info.Size())
	})
}

// within returns what a single source becomes: the target itself, or, where
// that is a place for several, something in it.
func within(dst, src string, fromStore, toStore bool) (string, error) {
	if toStore && dst != "" && !strings.HasSuffix(dst, "/") {
		return dst, nil
	}
	if !toStore && !strings.HasSuffix(dst, "/") && !isDirectory(dst) {
		return dst, nil
	}
	if fromStore {
		return join(dst, src[strings.LastIndexByte(src, '/')+1:], toStore)
	}
	return join(dst, filepath.Base(src), toStore)
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// join appends rest to a target key or directory. A key that would leave the
// directory is refused: ".." is an ordinary part of a key, but not of a path.
func join(dst, rest string, toStore bool) (string, error) {
	switch {
	case rest == "":
		return dst, nil
	case toStore && dst != "" && !strings.HasSuffix(dst, "/"):
		return dst + "/" + rest, nil
	case toStore:
		return dst + rest, nil
	case rest == "." || !filepath.IsLocal(filepath.FromSlash(rest)) || filepath.ToSlash(filepath.Clean(rest)) != rest:
		return "", fmt.Errorf("a key that ends in %q has no equivalent as a path in %s; copy it by itself with get -o", rest, dst)
	default:
		return filepath.Join(dst, filepath.FromSlash(rest)), nil
	}
}

// one copies a single file or object, again and again while that may help.
func (c *copier) one(ctx context.Context, src, dst string, fromStore, toStore bool) error {
	deadline := time.Now().Add(c.retryFor)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		n, err := c.attempt(ctx, src, dst, fromStore, toStore)
		if err == nil {
			c.files.Add(1)
			c.bytes.Add(n)
			c.progress.add(n)
			return nil
		}
		if !storage.AsError(err).Temporary || time.Now().Add(wait).After(deadline) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

func (c *copier) attempt(ctx context.Context, src, dst string, fromStore, toStore bool) (int64, error) {
	if fromStore && toStore {
		return c.object(ctx, src, dst)
	}
	if toStore {
		f, size, err := openFile(src)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		res, err := c.store.Put(ctx, dst, f, storage.PutOptions{
			SizeHint: size, ContentType: mime.TypeByExtension(filepath.Ext(src)), Consistency: c.fresh.write, Session: c.fresh.session,
		})
		return res.Object.Size, err
	}
	r, err := c.store.Get(ctx, src, storage.GetOptions{Consistency: c.fresh.read, Session: c.fresh.session})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
		return 0, err
	}
	return r.Length, writeFile(dst, r)
}

// object copies an object to another. A copy inside of the store cannot be asked
// for freshness, so one that is, is read and written.
func (c *copier) object(ctx context.Context, src, dst string) (int64, error) {
	if c.fresh.read == storage.ConsistencyDefault && c.fresh.session == nil {
		res, err := c.store.Copy(ctx, src, dst, storage.CopyOptions{})
		return res.Object.Size, err
	}
	r, err := c.store.Get(ctx, src, storage.GetOptions{Consistency: c.fresh.read, Session: c.fresh.session})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	opts := storage.PutOptions{
		SizeHint: r.Length, ContentType: r.Object.ContentType, Metadata: r.Object.Metadata,
		Consistency: c.fresh.write, Session: c.fresh.session,
	}
	if !r.Object.ExpiresAt.IsZero() {
		opts.TTL = max(time.Until(r.Object.ExpiresAt), time.Nanosecond)
	}
	res, err := c.store.Put(ctx, dst, r, opts)
	return res.Object.Size, err
}
