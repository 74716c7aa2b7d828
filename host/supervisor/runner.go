package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
)

// drainTime is how long the output of a dead process is still read: the time to fetch what lies in the pipes. Somebody
// who escaped the process group may hold them open for ever.
const drainTime = 500 * time.Millisecond

// processRunner runs a plugin for go-plugin. Unlike go-plugin's own runner it reads stdout and stderr itself, always and
// to the end, and shows go-plugin nothing but the handshake; Kill ends the whole process group; and no wait depends on
// anybody but the process and the kernel.
type processRunner struct {
	path string
	args []string
	env  []string
	dir  string // the private directory
	tcp  bool   // the plugin may listen on tcp, because the connection is authenticated by certificates

	log       *pluginLog
	handshake *handshake

	mu          sync.Mutex
	child       *child
	killed      bool // nothing may start any more
	cancelStart context.CancelFunc
	address     net.Addr // of the handshake
	conns       map[*keptConn]struct{}
	ended       bool // nothing is dialled any more

	output chan struct{} // closed when both streams have been read to the end, after the process is reaped
}

var _ runner.Runner = (*processRunner)(nil)

var errKilledBeforeStart = errors.New("given up before it was started")

func (r *processRunner) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	r.cancelStart = cancel
	killed := r.killed
	r.mu.Unlock()
	if killed {
		return errKilledBeforeStart
	}
	c, err := startChild(ctx, r.path, r.args, r.env, "/")
	if err != nil {
		return err
	}
	go r.drain(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.child = c
	if r.killed {
		c.killGroup(syscall.SIGKILL)
	}
	return nil
}

// drain reads both streams until they end or the process is dead and the time for the rest is over.
func (r *processRunner) drain(c *child) {
	defer close(r.output)
	var readers sync.WaitGroup
	readers.Go(func() {
		defer r.handshake.end()
		readLines(c.stdout, func(line []byte, dropped int) {
			if dropped > 0 || !r.handshake.take(line) {
				r.log.stdout(line, dropped)
			}
		})
	})
	readers.Go(func() { readLines(c.stderr, r.log.stderr) })

	<-c.exited
	r.hangUp()
	deadline := time.Now().Add(drainTime)
	_ = c.stdout.SetReadDeadline(deadline)
	_ = c.stderr.SetReadDeadline(deadline)
	readers.Wait()
	_ = c.stdout.Close()
	_ = c.stderr.Close()
}

// Wait returns when the process is reaped and its output read.
func (r *processRunner) Wait(ctx context.Context) error {
	c := r.running()
	if c == nil {
		return errors.New("not started")
	}
	select {
	case <-r.output:
		return c.exit
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill sends SIGKILL to the process group, which also ends a stopped process, and waits for the end up to killWait. It may
// be called at any time and any number of times.
func (r *processRunner) Kill(ctx context.Context) error {
	r.signal(syscall.SIGKILL)
	c := r.running()
	if c == nil {
		return nil
	}
	timeout := time.NewTimer(killWait)
	defer timeout.Stop()
	select {
	case <-r.output:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timeout.C:
		return fmt.Errorf("process %d survived SIGKILL for %v (uninterruptible sleep?)", c.pid, killWait)
	}
}

// signal reaches every process of the group. SIGKILL also prevents a start that has not happened yet.
func (r *processRunner) signal(sig syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if sig == syscall.SIGKILL {
		r.killed = true
		if r.cancelStart != nil {
			r.cancelStart()
		}
	}
	if r.child != nil {
		r.child.killGroup(sig)
	}
}

// closeStdin tells a plugin that watches its stdin to end.
func (r *processRunner) closeStdin() {
	if c := r.running(); c != nil {
		_ = c.stdin.Close()
	}
}

// running returns the child, or nil before it was started.
func (r *processRunner) running() *child {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.child
}

func (r *processRunner) pid() int {
	if c := r.running(); c != nil {
		return c.pid
	}
	return 0
}

// Stdout is the handshake line and nothing else.
func (r *processRunner) Stdout() io.ReadCloser { return r.handshake.reader }

// Stderr is empty: the lines have gone to the host's log already.
func (r *processRunner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

func (r *processRunner) Name() string { return r.args[0] }

// ID is the pid; empty before the start.
func (r *processRunner) ID() string {
	if pid := r.pid(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return ""
}

func (r *processRunner) Diagnose(context.Context) string { return r.log.summary() }

// PluginToHost refuses a plugin that does not listen in the directory it was given: only there nobody else can listen in
// its place.
func (r *processRunner) PluginToHost(network, address string) (string, string, error) {
	inDir := network == "unix" && strings.HasPrefix(filepath.Clean(address), r.dir+"/")
	if !inDir && (network != "tcp" || !r.tcp) {
		return "", "", fmt.Errorf("the plugin listens on %s %s, not on a unix socket in the directory that %s names",
			network, address, plugin.EnvUnixSocketDir)
	}
	return network, address, r.resolve(network, address)
}

func (r *processRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// wasKilled reports whether the ended process died of SIGKILL, which is what the supervisor ends processes with.
func (r *processRunner) wasKilled() bool {
	var exit *exec.ExitError
	c := r.running()
	if c == nil || !errors.As(c.exit, &exit) {
		return false
	}
	ws, ok := exit.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}

// exitText describes how a process ended.
func exitText(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exited with status 0"
	case errors.As(err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return fmt.Sprintf("killed by signal %d (%v)", ws.Signal(), ws.Signal())
		}
		return fmt.Sprintf("exited with status %d", exit.ExitCode())
	}
	return err.Error()
}
