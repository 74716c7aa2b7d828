package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// freshness is what a command line says about the versions it has to see.
type freshness struct {
	level string
	path  string
	// Of the operations, once withStore has begun: reads ask for read, and
	// writes for write.
	read, write storage.Consistency
	session     *storage.Session
}

func (f *freshness) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.level, "consistency", "default", "`LEVEL`: default, eventual, read-your-writes, causal or strong")
	cmd.Flags().StringVar(&f.path, "session", "", "`FILE` that keeps what was seen, so that the next command with it never sees less; reads are causal unless --consistency is given")
}

// parse reads the flags and the session of earlier commands.
func (f *freshness) parse(cmd *cobra.Command) error {
	level, err := storage.ParseConsistency(f.level)
	if err != nil {
		return usageError{err}
	}
	f.read, f.write = level, level
	if f.path == "" {
		return nil
	}
	if !cmd.Flags().Changed("consistency") {
		f.read = storage.ConsistencyCausal
	}
	f.session = new(storage.Session)
	return f.merge()
}

// merge adds what the file remembers.
func (f *freshness) merge() error {
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("--session: %w", err)
	case !info.Mode().IsRegular() || info.Size() > 2*storage.MaxTokenBytes:
		return fmt.Errorf("--session: %s is not a file that holds a session", f.path)
	}
	raw, err := os.ReadFile(f.path)
	if err == nil {
		err = f.session.Merge(strings.TrimSpace(string(raw)))
	}
	if err != nil {
		return fmt.Errorf("--session: %s: %w", f.path, err)
	}
	return nil
}

// keep writes back what was seen, also by a command that failed, with what other
// commands wrote meanwhile.
func (f *freshness) keep() error {
	if f.session == nil {
		return nil
	}
	if err := f.merge(); err != nil {
		return err
	}
	token := f.session.Token()
	if token == "" {
		return nil
	}
	if err := renameio.WriteFile(f.path, []byte(token+"\n"), 0o600); err != nil {
		return fmt.Errorf("--session: %w", err)
	}
	return nil
}

// withSession is withStore for operations that f is about.
func (a *app) withSession(ctx context.Context, f *freshness, do func(ctx context.Context, s storage.Store) error) error {
	return errors.Join(a.withStore(ctx, do), f.keep())
}
