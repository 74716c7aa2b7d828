// Command testplugin is a plugin that misbehaves on request. Tests build it with go build; without any request it is a
// well-behaved plugin with an in-memory backend, whose configuration makes it slow or panic (see config).
//
//	testplugin [behaviour[=value]]...
//
// The behaviour may also come from the variable STOWAGE_TESTPLUGIN, separated by spaces, or be linked in, like name and
// version:
//
//	go build -ldflags "-X main.name=other -X main.version=1.2.3 -X main.behaviour=crash"
//
// Behaviours before the handshake:
//
//	crash            panics
//	exit=N           exits with status N
//	hang             never shakes hands
//	foreign          is a plugin of another program (wrong magic cookie)
//	version=N        speaks version N of the plugin protocol
//	noise=N          prints N lines to stdout
//	frozen           shakes hands and stops itself with SIGSTOP before it serves
//	elsewhere=ADDR   shakes hands but names ADDR, like tcp|127.0.0.1:1, as where it listens
//	stubborn         ignores SIGTERM, and its stdin while it hangs
//	grandchild=FILE  starts a process that holds stdout and stderr, in the same process group; its pid goes to FILE
//	escaped=FILE     the same, but in a session of its own
//
// Behaviours after the handshake:
//
//	noise-after=N    prints N lines to the real stdout and N to os.Stdout
//	log=FILE         writes the content of FILE to stderr
//	die-after=D      panics after the duration D
//	exit-after=D     exits with status 0 after the duration D
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//nolint:gochecknoglobals // the linker sets them
var (
	name      = "test"
	version   = "1.0.0"
	behaviour = ""
)

func main() {
	words := slices.Concat(strings.Fields(behaviour), strings.Fields(os.Getenv("STOWAGE_TESTPLUGIN")), os.Args[1:])
	ask := parse(words)
	realStdout, realStderr := os.Stdout, os.Stderr // serving replaces os.Stdout and os.Stderr

	if _, ok := ask["stubborn"]; ok {
		signal.Ignore(syscall.SIGTERM)
	}
	for i := range ask.number("noise") {
		fmt.Printf("noise %d before the handshake | with | bars | in it\n", i)
	}
	ask.spawn("grandchild", nil)
	ask.spawn("escaped", &syscall.SysProcAttr{Setsid: true})
	if _, ok := ask["crash"]; ok {
		panic("told to crash")
	}
	if _, ok := ask["exit"]; ok {
		fmt.Fprintln(os.Stderr, "told to exit")
		os.Exit(ask.number("exit"))
	}
	if _, ok := ask["hang"]; ok {
		hang()
	}
	if _, ok := ask["frozen"]; ok {
		freeze()
	}
	if address, ok := ask["elsewhere"]; ok {
		fmt.Printf("1|1|%s|grpc|\n", address)
		hang()
	}

	if n := ask.number("noise-after"); n > 0 {
		time.AfterFunc(50*time.Millisecond, func() {
			for i := range n {
				fmt.Fprintf(realStdout, "noise %d after the handshake\n", i)
				fmt.Printf("noise %d through os.Stdout\n", i)
			}
		})
	}
	if file, ok := ask["log"]; ok {
		time.AfterFunc(50*time.Millisecond, func() {
			content, err := os.ReadFile(file)
			if err != nil {
				panic(err)
			}
			if _, err := realStderr.Write(content); err != nil {
				panic(err)
			}
		})
	}
	if d := ask.duration("die-after"); d > 0 {
		time.AfterFunc(d, func() { panic("told to die") })
	}
	if d := ask.duration("exit-after"); d > 0 {
		time.AfterFunc(d, func() { os.Exit(0) })
	}
	serve(ask)
}

// hang ignores its stdin too, so that only a signal ends it.
func hang() {
	for {
		time.Sleep(time.Hour)
	}
}

// freeze listens, so that a connection is taken by the kernel, and then stands still.
func freeze() {
	path := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "frozen")
	if _, err := net.Listen("unix", path); err != nil {
		panic(err)
	}
	fmt.Printf("1|1|unix|%s|grpc|\n", path)
	if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
		panic(err)
	}
	hang()
}

type request map[string]string

func parse(words []string) request {
	b := make(request)
	for _, arg := range words {
		name, value, _ := strings.Cut(arg, "=")
		b[name] = value
	}
	return b
}

func (b request) number(name string) int {
	value, ok := b[name]
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		panic(err)
	}
	return n
}

func (b request) duration(name string) time.Duration {
	value, ok := b[name]
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		panic(err)
	}
	return d
}

// spawn starts a grandchild that keeps the output open.
func (b request) spawn(name string, attr *syscall.SysProcAttr) {
	file, ok := b[name]
	if !ok {
		return
	}
	cmd := exec.Command("sleep", "300")
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, os.Stderr, attr
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		panic(err)
	}
}
