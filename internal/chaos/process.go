package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// process is one that runs, or ran: pids come back, starting times do not.
type process struct {
	name    string // of its backend
	pid     int
	started string // in the kernel's clock
}

func (p process) String() string { return fmt.Sprintf("%s (pid %d)", p.name, p.pid) }

// identify is the process that has the pid now; ok is false if there is none, or
// its end only waits to be noticed.
func identify(name string, pid int) (p process, ok bool) {
	state, started := statOf(pid)
	return process{name, pid, started}, state != 0 && state != 'Z'
}

func (p process) alive() bool {
	state, started := statOf(p.pid)
	return state != 0 && state != 'Z' && started == p.started
}

// statOf is the letter that ps shows and the time when the process started; 0 if
// there is none.
func statOf(pid int) (state byte, started string) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, ""
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return 0, ""
	}
	return fields[0][0], fields[19]
}
