package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// busyRetry paces the attempts to execute a file that some process still has open for writing, for instance because it
// was forked while the copy was made and has not reached its exec yet.
const busyRetry = 5 * time.Millisecond

// child is one operating system process in a process group of its own. It dies with the host in three ways: the kernel
// kills it when the thread that forked it ends (Pdeathsig), the host's end of its stdin closes (the SDK watches that),
// and the host kills the group.
type child struct {
	pid    int
	stdin  *os.File // the write end of the death pipe; never written
	stdout *os.File // read ends
	stderr *os.File

	exited chan struct{} // closed when the process is reaped and its group killed
	exit   error         // nil or *exec.ExitError; set before exited is closed

	mu     sync.Mutex
	reaped bool // the pid may belong to somebody else from now on
}

// startChild launches path. Only the start depends on ctx.
func startChild(ctx context.Context, path string, args, env []string, dir string) (*child, error) {
	var ends [3]struct{ ours, theirs *os.File }
	closeAll := func() {
		for _, e := range ends {
			_ = e.ours.Close() // a nil *os.File answers with an error
			_ = e.theirs.Close()
		}
	}
	for i := range ends {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("pipe: %w", err)
		}
		ends[i].ours, ends[i].theirs = r, w
		if i == 0 {
			ends[i].ours, ends[i].theirs = w, r
		}
	}
	c := &child{stdin: ends[0].ours, stdout: ends[1].ours, stderr: ends[2].ours, exited: make(chan struct{})}
	started := make(chan error, 1)
	go c.run(started, func() (*exec.Cmd, error) {
		cmd := &exec.Cmd{
			Path: path, Args: args, Env: env, Dir: dir,
			Stdin: ends[0].theirs, Stdout: ends[1].theirs, Stderr: ends[2].theirs,
			SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
		}
		return cmd, startUnlessBusy(ctx, cmd)
	})
	if err := <-started; err != nil {
		closeAll()
		return nil, explainStart(path, err)
	}
	for _, e := range ends {
		_ = e.theirs.Close()
	}
	return c, nil
}

// run forks and then waits on one locked thread: Pdeathsig fires when the forking *thread* ends, so that thread must
// live as long as the child.
func (c *child) run(started chan<- error, start func() (*exec.Cmd, error)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := start()
	if err != nil {
		started <- err
		return
	}
	c.pid = cmd.Process.Pid
	started <- nil

	// Until it is reaped the dead process keeps its pid, and with it the group's id, from being given to a stranger.
	var info unix.Siginfo
	for errors.Is(unix.Waitid(unix.P_PID, c.pid, &info, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	c.killGroup(syscall.SIGKILL)
	c.mu.Lock()
	c.exit = cmd.Wait() // immediate: it has exited, and its files are ours
	c.reaped = true
	c.mu.Unlock()
	_ = c.stdin.Close()
	close(c.exited)
}

// startUnlessBusy starts cmd, again and again while its file is busy and ctx lasts.
func startUnlessBusy(ctx context.Context, cmd *exec.Cmd) error {
	for {
		attempt := *cmd
		err := attempt.Start()
		if err == nil || !errors.Is(err, syscall.ETXTBSY) {
			*cmd = attempt
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w until the deadline", err)
		case <-time.After(busyRetry):
		}
	}
}

// killGroup sends a signal to the process and all it has started. It does nothing once the process is reaped.
func (c *child) killGroup(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = syscall.Kill(-c.pid, sig)
		_ = syscall.Kill(c.pid, sig) // if it has left its group
	}
}

// explainStart tells what a failed exec means.
func explainStart(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%s is not a program for this machine (built for another system, or cut short): %w", path, err)
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("%s, or the interpreter it names, does not exist: %w", path, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s may not be executed; is its file system mounted noexec?: %w", path, err)
	case errors.Is(err, syscall.ETXTBSY):
		return fmt.Errorf("%s is open for writing: %w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
