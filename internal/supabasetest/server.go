package supabasetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// server is one run of PostgreSQL: a postmaster and its children.
//
// Its children inherit the pipe that carries the log, so the end of the log is
// the end of the last of them, and exec.Cmd.Wait waits for it.
type server struct {
	log  *serverLog
	pid  int
	done chan struct{} // closed when all processes are gone
}

// startServer starts a postmaster and waits until it accepts connections.
func startServer(ctx context.Context, command *exec.Cmd) (*server, error) {
	s := &server{log: newServerLog(), done: make(chan struct{})}
	command.Stdout, command.Stderr = s.log, s.log
	started := make(chan error, 1)
	go s.run(command, started)
	if err := <-started; err != nil {
		return nil, err
	}
	select {
	case <-s.log.ready:
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("postgres ended before it was ready:\n%s", s.log.tail())
	case <-ctx.Done():
		s.kill()
		return nil, fmt.Errorf("postgres was not ready in time: %w\n%s", context.Cause(ctx), s.log.tail())
	}
}

// run forks and waits on one locked thread: the kernel kills the postmaster when
// the thread that forked it ends, not the process.
func (s *server) run(command *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.done)
	if err := command.Start(); err != nil {
		started <- err
		return
	}
	s.pid = command.Process.Pid
	started <- nil
	// Its exit status says no more than the log does.
	_ = command.Wait()
}

func (s *server) running() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// stop ends the server without waiting for its clients, and leaves its shared
// memory clean.
func (s *server) stop() {
	s.signal(syscall.SIGQUIT)
	<-s.done
}

// kill kills the children too. They would notice that the postmaster is gone,
// but a busy one only after its statement.
func (s *server) kill() {
	if s.running() {
		children := children(s.pid)
		s.signal(syscall.SIGKILL)
		for _, child := range children {
			if err := syscall.Kill(child, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				break // they end by themselves
			}
		}
	}
	<-s.done
}

func (s *server) signal(signal syscall.Signal) {
	if s.running() {
		// It fails if the postmaster ended meanwhile, which is what was asked.
		_ = syscall.Kill(s.pid, signal)
	}
}

// children lists the processes that pid forked.
func children(pid int) []int {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for field := range strings.FieldsSeq(string(list)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// serverLog waits for the line that says connections are accepted and keeps the
// end of the log for error messages.
type serverLog struct {
	ready chan struct{}

	mu      sync.Mutex
	text    []byte
	isReady bool
}

// keptLog is in bytes.
const keptLog = 16 << 10

func newServerLog() *serverLog { return &serverLog{ready: make(chan struct{})} }

func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if !l.isReady && bytes.Contains(l.text, []byte("database system is ready to accept connections")) {
		l.isReady = true
		close(l.ready)
	}
	if excess := len(l.text) - keptLog; excess > 0 {
		l.text = append(l.text[:0], l.text[excess:]...)
	}
	return len(p), nil
}

func (l *serverLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
