package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// memory holds the most that each process had resident at one time, in bytes.
type memory struct {
	host, plugin int64
}

func (d *demo) noteMemory(m *memory) error {
	plugin, err := d.process()
	if err != nil {
		return err
	}
	atHost, hostErr := peakMemory(os.Getpid())
	atPlugin, pluginErr := peakMemory(plugin.PID)
	m.host, m.plugin = max(m.host, atHost), max(m.plugin, atPlugin)
	return errors.Join(hostErr, pluginErr)
}

// resetMemory begins the measuring of both peaks anew. Where the kernel does
// not allow that, the peaks are those since the processes began: never less.
func (d *demo) resetMemory() error {
	plugin, err := d.process()
	if err != nil {
		return err
	}
	for _, pid := range []int{os.Getpid(), plugin.PID} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			d.report.peakSinceStart = true
		}
	}
	return nil
}

// peakMemory is the peak resident size of a process in bytes.
func peakMemory(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		value, ok := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: VmHWM: %w", path, err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("%s has no VmHWM", path)
}
