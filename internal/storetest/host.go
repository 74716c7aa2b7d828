package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// patience is how long, by the clock of the bubble, anything may take that has
// to end.
const patience = 10 * time.Minute

// host opens the store under test, restarts and kills it.
type host struct {
	harness  Harness
	children []*Child
	log      *Log
	root     string
	dirs     int
	// breakers: the children have circuit breakers.
	breakers bool
	// session is that of requests that ask for it.
	session *storage.Session

	mu      sync.Mutex
	current *incarnation  // nil while there is none
	ready   chan struct{} // closed when there is one again
}

// incarnation is the store from an Open to its Close.
type incarnation struct {
	store       storage.Store
	connections []*Connection
	dir         string
	calls       sync.WaitGroup
	killed      chan struct{}
}

// newHost makes the children and opens the store over them.
func newHost(h Harness, seed uint64, latency time.Duration, breakers bool) (*host, error) {
	root, err := os.MkdirTemp(memoryDir(), "storetest-")
	if err != nil {
		return nil, err
	}
	host := &host{harness: h, log: NewLog(), root: root, breakers: breakers, session: &storage.Session{}, ready: make(chan struct{})}
	for i, o := range h.Children {
		o.Seed, o.Latency, o.Log = seed+uint64(i), latency, host.log //nolint:gosec // not negative
		host.children = append(host.children, NewChild(o))
	}
	return host, nil
}

// memoryDir is a directory in memory, if there is one: a killed host's disk needs
// no more, and runs wait for nothing so often as for a real one.
func memoryDir() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}

// open opens the store over the data of dir.
func (h *host) open(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	inc := &incarnation{dir: dir, killed: make(chan struct{})}
	env := Env{Dir: dir}
	for _, c := range h.children {
		n := c.Connect()
		inc.connections = append(inc.connections, n)
		child := EnvChild{Name: c.Name(), Store: storage.Complete(n)}
		if h.breakers {
			child.State = c.Breaker
		}
		env.Children = append(env.Children, child)
	}
	var err error
	if inc.store, err = h.harness.Open(env); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	h.log.note("host", "opened")
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current = inc
	close(h.ready)
	return nil
}

func (h *host) newDir() string {
	h.dirs++
	return filepath.Join(h.root, fmt.Sprint(h.dirs))
}

// take ends the use of the current store by callers to come.
func (h *host) take() *incarnation {
	h.mu.Lock()
	defer h.mu.Unlock()
	inc := h.current
	h.current, h.ready = nil, make(chan struct{})
	return inc
}

// restart closes the store when the operations under way are done, and opens it
// again.
func (h *host) restart() error {
	h.log.note("host", "restarts")
	inc := h.take()
	inc.calls.Wait()
	if err := inc.close(); err != nil {
		return err
	}
	return h.open(inc.dir)
}

// kill ends the host at once, as SIGKILL does, and opens the store again with
// what was on the disk. It must not be called from several goroutines.
func (h *host) kill() error {
	inc := h.take()
	close(inc.killed)
	synctest.Wait() // for a moment in which nobody writes to the disk
	h.log.note("host", "killed")
	dir := h.newDir()
	if err := os.CopyFS(dir, os.DirFS(inc.dir)); err != nil {
		return err
	}
	for _, n := range inc.connections {
		n.Cut()
	}
	inc.calls.Wait()
	if err := inc.close(); err != nil {
		return err
	}
	if err := os.RemoveAll(inc.dir); err != nil {
		return err
	}
	return h.open(dir)
}

// close ends the host for good.
func (h *host) close() error {
	h.mu.Lock()
	inc := h.current
	h.mu.Unlock()
	var err error
	if inc != nil {
		inc.calls.Wait()
		err = inc.close()
	}
	return errors.Join(err, os.RemoveAll(h.root))
}

func (inc *incarnation) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := within(patience, "Close", func() error { return inc.store.Close(ctx) })
	for _, n := range inc.connections {
		n.Cut()
	}
	if err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// within runs f and gives it up after limit. What it leaves behind then ends the
// whole test, for the bubble waits for it.
func within(limit time.Duration, what string, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%s does not return within %v", what, limit)
	}
}

// use calls f with the store. It reports whether the host was killed meanwhile:
// then nobody has learnt what f returned.
func (h *host) use(f func(s storage.Store)) (killed bool) {
	for {
		h.mu.Lock()
		inc, ready := h.current, h.ready
		if inc != nil {
			inc.calls.Add(1)
		}
		h.mu.Unlock()
		if inc == nil {
			<-ready
			continue
		}
		f(inc.store)
		inc.calls.Done()
		return closed(inc.killed)
	}
}

// faulty tells of each child whether something is wrong with it.
func (h *host) faulty() []bool {
	faulty := make([]bool, len(h.children))
	for i, c := range h.children {
		faulty[i] = c.Faulty()
	}
	return faulty
}

// heal ends all faults and gives the store the time to make good.
func (h *host) heal() {
	for _, c := range h.children {
		c.Heal()
	}
	time.Sleep(h.harness.Settle)
}
