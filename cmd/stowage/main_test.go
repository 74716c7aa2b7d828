package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// patience is how long a test waits for a process.
const patience = 30 * time.Second

// TestMain makes the command stowage available to scripts. Each runs it as a
// process of its own.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"stowage": main})
}

// leakChecked ends with the check of goroutines of this process.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goleak:", err)
			return 1
		}
	}
	return code
}

func TestScripts(t *testing.T) {
	plugins := buildPlugins(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "", // rewrites golden files; look at what they became
		Setup: func(env *testscript.Env) error {
			env.Setenv("PLUGINS", plugins)
			port, err := freePort()
			if err != nil {
				return err
			}
			env.Setenv("ADDR", "127.0.0.1:"+port)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"ready":     awaitHost("/readyz"),
			"listening": awaitHost("/healthz"),
			"expand":    expand,
			"sigterm":   sigterm,
		},
	})
}

// buildPlugins builds the local plugin into a folder that no one else may
// write to.
func buildPlugins(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "stowage-plugin-local")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/p2p-ai-agents/stowage/plugins/local").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// exits CODE COMMAND... runs a command that must end with this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var failed *exec.ExitError
	got := 0
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// awaitHost is a command that waits until the host at $ADDR answers a path with
// 200.
func awaitHost(path string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 0 {
			ts.Fatalf("it takes no arguments and cannot be negated")
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			err := probe(ctx, "http://"+ts.Getenv("ADDR")+path)
			if err == nil {
				return
			}
			select {
			case <-ctx.Done():
				ts.Fatalf("the host does not answer %s: %v", path, err)
			case <-tick.C:
			}
		}
	}
}

func probe(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// expand FILE... replaces the names of variables in files.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: expand FILE...")
	}
	for _, file := range args {
		text := os.Expand(ts.ReadFile(file), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o644))
	}
}

var pidInStatus = regexp.MustCompile(`"pid": *(\d+)`)

// sigterm ends the only background command, and waits until it and the plugin
// processes that the file with a status names are gone, for at most 15 s.
func sigterm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sigterm STATUS-FILE")
	}
	jobs := ts.BackgroundCmds()
	if len(jobs) != 1 {
		ts.Fatalf("%d background commands, want 1", len(jobs))
	}
	plugins := pidInStatus.FindAllStringSubmatch(ts.ReadFile(args[0]), -1)
	if len(plugins) == 0 {
		ts.Fatalf("%s names no process", args[0])
	}
	ts.Check(jobs[0].Process.Signal(syscall.SIGTERM))
	deadline := time.Now().Add(15 * time.Second)
	await := func(what string, gone func() bool) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for !gone() {
			if time.Now().After(deadline) {
				ts.Fatalf("%s is not gone after 15 s", what)
			}
			<-tick.C
		}
	}
	await("the host", func() bool { return errors.Is(jobs[0].Process.Signal(syscall.Signal(0)), os.ErrProcessDone) })
	for _, match := range plugins {
		pid, err := strconv.Atoi(match[1])
		ts.Check(err)
		await("plugin process "+match[1], func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	}
}
