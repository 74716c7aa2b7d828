package supabase

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// maxDoubtful is how many keys of writes whose outcome is unknown are
// remembered one by one. Beyond it every key counts as such.
const maxDoubtful = 10_000

// maxStale is how often one write takes a new epoch. More than a few times only
// when several processes write under one id.
const maxStale = 20

// writer is who writes: an id that outlives the process, and an epoch. Requests
// of an epoch that is over are refused by the database, wherever they were on
// their way.
type writer struct {
	id     uuid.UUID
	caller *caller
	life   context.Context //nolint:containedctx // of the backend
	// memory is how long the database remembers requests. None is repeated
	// later than that.
	memory time.Duration
	flight singleflight.Group

	mu       sync.Mutex
	epoch    int64
	doubtful map[string]bool // keys that a request of this epoch may still reach
	all      bool
}

// writerID reads the id that is kept in dir, or makes one. Without a dir it is
// good for this process only.
func writerID(dir string) (uuid.UUID, error) {
	id := uuid.New()
	if dir == "" {
		return id, nil
	}
	path := filepath.Join(dir, "writer")
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		id, err = uuid.Parse(strings.TrimSpace(string(text)))
		if err != nil {
			return id, storage.Errorf(storage.CodeInternal, "%s has no id of a writer: %w; remove the file while no request is under way", path, err)
		}
		return id, nil
	case errors.Is(err, fs.ErrNotExist):
		if err := renameio.WriteFile(path, []byte(id.String()+"\n"), 0o600); err != nil {
			return id, storage.Errorf(storage.CodeUnavailable, "the id of the writer cannot be kept: %w", err)
		}
		return id, nil
	default:
		return id, storage.Errorf(storage.CodeUnavailable, "the id of the writer cannot be read: %w", err)
	}
}

// register begins a new epoch, unless the one given is over already. All doubts
// end with the old one.
func (w *writer) register(ctx context.Context, after int64) error {
	flight := w.flight.DoChan(fmt.Sprint(after), func() (any, error) {
		if w.current() != after {
			return nil, nil
		}
		// Others wait for it too, so it does not end with one of them.
		ctx, cancel := context.WithTimeout(w.life, 2*w.caller.timeout)
		defer cancel()
		var answer struct {
			Epoch int64 `json:"epoch"`
		}
		if _, err := w.caller.call(ctx, "register", map[string]any{"p_writer": w.id}, &answer); err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.epoch, w.all = answer.Epoch, false
		clear(w.doubtful)
		return nil, nil
	})
	select {
	case r := <-flight:
		return r.Err
	case <-ctx.Done():
		return cause(ctx)
	}
}

func (w *writer) current() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.epoch
}

// epochFor returns the epoch in which keys may be written: a new one if an
// older request may still reach one of them.
func (w *writer) epochFor(ctx context.Context, keys []string) (int64, error) {
	for {
		w.mu.Lock()
		epoch, doubt := w.epoch, w.all
		for _, key := range keys {
			doubt = doubt || w.doubtful[key]
		}
		w.mu.Unlock()
		if !doubt {
			return epoch, nil
		}
		if err := w.register(ctx, epoch); err != nil {
			return 0, err
		}
	}
}

// doubt remembers that a request of the epoch may still reach the keys.
func (w *writer) doubt(epoch int64, keys []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if epoch != w.epoch {
		return // requests of that epoch are refused already
	}
	for _, key := range keys {
		if len(w.doubtful) >= maxDoubtful {
			w.all = true
			return
		}
		w.doubtful[key] = true
	}
}

// write makes a call that changes keys, under one request id however often it is
// repeated. A result without OK has changed nothing.
func (w *writer) write(ctx context.Context, function string, keys []string, args map[string]any) (*writeResult, error) {
	args["p_request"], args["p_writer"] = uuid.New(), w.id
	ctx, cancel := context.WithTimeout(ctx, w.memory/2)
	defer cancel()
	unsure := false // an attempt may have been carried out, or may still be
	failed := func(err error) error {
		e := storage.AsError(err)
		e.OutcomeUnknown = unsure
		return e
	}
	for range maxStale {
		epoch, err := w.epochFor(ctx, keys)
		if err != nil {
			return nil, failed(err)
		}
		args["p_epoch"] = epoch
		var result writeResult
		a, err := w.caller.call(ctx, function, args, &result)
		unsure = unsure || a.doubt
		if a.doubt && (err != nil || result.Reason != reasonStale && !result.recorded()) {
			w.doubt(epoch, keys)
		}
		switch {
		case err != nil:
			return nil, failed(err)
		case result.Reason == reasonStale:
			// None of the attempts was carried out, and none will be.
			unsure = false
		case !a.doubt || result.recorded():
			return &result, nil
		}
		// What changed nothing is not recorded, so an attempt without an answer
		// could still be carried out, and change something. In a new epoch it
		// cannot, and the answer is final.
		if err := w.register(ctx, epoch); err != nil {
			return nil, failed(err)
		}
	}
	return nil, failed(storage.Errorf(storage.CodeUnavailable, "other processes write under the same id, and each ends the other's epoch; is the host's data_dir in use twice?"))
}
