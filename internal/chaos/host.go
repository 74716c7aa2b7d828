package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/p2p-ai-agents/stowage/host/api/client"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// replicas are the backends, and the directories below that of the run.
func replicas() []string { return []string{"one", "two", "three"} }

const policyName = "safe"

// writeConfig configures a host with three durable backends, each a process of
// its own.
func writeConfig(dir, plugins string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `host {
  plugin_dirs = [%q]
  data_dir    = "./host"
  listen      = "127.0.0.1:0"
}

plugin "local" {
  transport = "child"
  isolation = "dedicated"
}

policy "redundant" %q {
  replicas = [backend.%s]
  write    = "quorum"
}

route "" { to = policy.%s }
`, plugins, policyName, strings.Join(replicas(), ", backend."), policyName)
	for _, name := range replicas() {
		fmt.Fprintf(&b, `
backend %q {
  plugin  = "local"
  timeout = "5s"
  config { path = "./%s" }
}
`, name, name)
	}
	path := filepath.Join(dir, "config.hcl")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// host is a host's process from its start to its end.
type host struct {
	cmd    *exec.Cmd
	client *client.Client
	store  storage.Store
	ended  chan struct{}
	err    error // why it ended; valid after ended
	wanted atomic.Bool
}

// startHost starts the host and returns when it listens. What it logs goes to
// log, which may be shared by one host after another.
func startHost(ctx context.Context, binary, config string, log io.Writer) (*host, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	h := &host{cmd: exec.Command(binary, "serve", "--config", config), ended: make(chan struct{})}
	h.cmd.Stderr = out
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the keyboard is for us
	if err := h.cmd.Start(); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	_ = out.Close()
	address := make(chan string, 1)
	go func() {
		defer close(h.ended)
		follow(in, log, address) // to the end of the process
		h.err = h.cmd.Wait()
	}()
	select {
	case at := <-address:
		h.client, err = client.New(at, client.Options{})
	case <-h.ended:
		return nil, fmt.Errorf("the host ended at its start: %w; its log tells why", cmpErr(h.err))
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		h.kill()
		return nil, err
	}
	h.store = h.client.Store()
	return h, nil
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("without an error")
	}
	return err
}

// follow copies the log and finds the address in it.
func follow(in io.ReadCloser, log io.Writer, address chan<- string) {
	defer in.Close()
	lines := bufio.NewReader(in)
	for {
		text, err := lines.ReadBytes('\n')
		_, _ = log.Write(text) // it is for people
		var entry struct {
			Message string `json:"@message"`
			Address string `json:"address"`
		}
		if json.Unmarshal(text, &entry) == nil && entry.Message == "listening" {
			address <- entry.Address
		}
		if err != nil {
			return
		}
	}
}

// kill ends the host as a crash would, and returns when it is gone.
func (h *host) kill() {
	h.wanted.Store(true)
	_ = h.cmd.Process.Kill() // it has ended already
	<-h.ended
	h.close()
}

// stopPatience is how long a host may take to stop; it promises 15 s on a
// machine that is not busy.
const stopPatience = 2 * time.Minute

// stop asks the host to end and returns when it has.
func (h *host) stop() error {
	h.wanted.Store(true)
	_ = h.cmd.Process.Signal(syscall.SIGTERM) // it has ended already
	timer := time.NewTimer(stopPatience)
	defer timer.Stop()
	select {
	case <-h.ended:
	case <-timer.C:
		_ = h.cmd.Process.Signal(syscall.SIGQUIT) // it prints what its goroutines wait for
		<-h.ended
		h.err = fmt.Errorf("it did not stop within %s; what it was doing is in its log", stopPatience)
	}
	h.close()
	return h.err
}

func (h *host) close() {
	if h.client != nil {
		_ = h.client.Close(context.Background())
	}
}

// status is what the driver reads of the host's.
type status struct {
	Ready   bool
	Reason  string
	Plugins []struct {
		Processes []struct {
			Name  string
			State string
			PID   int
		}
	}
	Backends []struct {
		Name, State, Reason string
	}
	Policies []struct {
		Name     string
		Backlogs []backlog
	}
	Stats struct {
		Policies map[string]counters
	}
}

type backlog struct {
	Target  string
	Entries int
	Bytes   int64
	Dirty   bool
	Reason  string
}

// counters are of what a policy did.
type counters struct {
	Failovers, Hinted, Replayed, Divergences, Repaired, Ejections, Dirtied uint64
}

func (h *host) status(ctx context.Context) (*status, error) {
	doc, err := h.client.Status(ctx)
	if err != nil {
		return nil, err
	}
	s := &status{}
	return s, json.Unmarshal(doc, s)
}

// processes are those of the plugins that run, by backend.
func (s *status) processes() map[string]process {
	all := make(map[string]process)
	for _, p := range s.Plugins {
		for _, running := range p.Processes {
			_, backend, _ := strings.Cut(running.Name, "/")
			if found, ok := identify(backend, running.PID); ok && running.PID != 0 {
				all[backend] = found
			}
		}
	}
	return all
}

// serving reports whether all backends serve, or names one that does not.
func (s *status) serving() (down string, ok bool) {
	if !s.Ready {
		return "the host is not ready: " + s.Reason, false
	}
	for _, b := range s.Backends {
		if b.State != "serving" {
			return b.Name + " is " + b.State + ": " + b.Reason, false
		}
	}
	return "", true
}

// backlogs are what the policy owes its replicas.
func (s *status) backlogs() []backlog {
	for _, p := range s.Policies {
		if p.Name == policyName {
			return p.Backlogs
		}
	}
	return nil
}
