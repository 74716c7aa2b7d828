package supabase

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// load is writers that count, each on a key of its own, and what they were told.
type load struct {
	project *supabasetest.Project
	b       *backend
	writers []*countingWriter
	work    sync.WaitGroup
}

type countingWriter struct {
	key   string
	mu    sync.Mutex
	acks  chan struct{} // one for an acknowledgement that nobody has looked at yet
	acked int           // highest count that was acknowledged
	done  int           // acknowledgements
	open  map[int]bool  // counts whose outcome is unknown
	wrong error
}

// startLoad lets n writers count until ctx ends.
func startLoad(ctx context.Context, project *supabasetest.Project, b *backend, n int) *load {
	l := &load{project: project, b: b}
	for i := range n {
		w := &countingWriter{key: fmt.Sprintf("writer/%d", i), open: make(map[int]bool), acks: make(chan struct{}, 1)}
		l.writers = append(l.writers, w)
		l.work.Go(func() {
			for count := 1; ctx.Err() == nil; count++ {
				w.write(ctx, b, count)
			}
		})
	}
	return l
}

func (w *countingWriter) write(ctx context.Context, b *backend, count int) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, err := b.Put(ctx, w.key, strings.NewReader(strconv.Itoa(count)), storage.PutOptions{})
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := storage.AsError(err); {
	case err == nil:
		w.acked, w.done = count, w.done+1
		select {
		case w.acks <- struct{}{}:
		default:
		}
	case e.OutcomeUnknown:
		w.open[count] = true
	case e.Code != storage.CodeUnavailable && e.Code != storage.CodeCanceled && e.Code != storage.CodeThrottled:
		w.wrong = err
	}
}

// progress returns when each writer was acknowledged n times more.
func (l *load) progress(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(time.Minute)
	for _, w := range l.writers {
		for goal := w.count() + n; w.count() < goal; {
			select {
			case <-w.acks:
			case <-deadline:
				t.Fatalf("%s is not served any more", w.key)
			}
		}
	}
}

func (w *countingWriter) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// judge compares what is stored with what the writers were told.
func (l *load) judge(t *testing.T) {
	t.Helper()
	l.work.Wait()
	for _, w := range l.writers {
		if w.wrong != nil {
			t.Errorf("%s: %v", w.key, w.wrong)
		}
		text := get(t, l.b, w.key)
		last, err := strconv.Atoi(text)
		if err != nil || last != w.acked && (last < w.acked || !w.open[last]) {
			t.Errorf("%s has %q; the last that was acknowledged is %d, unknown are %v", w.key, text, w.acked, w.open)
		}
		if changes := changesOf(t, l.project, w.key); changes < w.done || changes > w.done+len(w.open) {
			t.Errorf("%s was changed %d times; acknowledged were %d, unknown are %d", w.key, changes, w.done, len(w.open))
		}
	}
}

func TestADatabaseThatRestartsUnderLoadLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	cluster, err := supabasetest.StartCluster(t.Context(), supabasetest.ClusterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	}()
	t.Run("load", func(t *testing.T) { // ends, with its project, before the cluster
		project := projectIn(t, cluster, "", supabasetest.ProjectOptions{})
		b := openWith(t, config(project), "")
		ctx, stop := context.WithCancel(t.Context())
		l := startLoad(ctx, project, b, 8)
		l.progress(t, 3)
		for range 3 {
			if err := cluster.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.progress(t, 3)
		}
		stop()
		l.judge(t)
	})
}

func TestAnOutageOfThirtySecondsLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	ctx, stop := context.WithCancel(t.Context())
	l := startLoad(ctx, project, b, 8)
	l.progress(t, 3)
	project.Outage(true)
	if _, err := b.Stat(t.Context(), "writer/0", storage.StatOptions{}); storage.CodeOf(err) != storage.CodeUnavailable {
		t.Errorf("a read meanwhile: %v", err)
	}
	<-time.After(30 * time.Second) // what is tested is its length
	project.Outage(false)
	l.progress(t, 3)
	stop()
	l.judge(t)
}
