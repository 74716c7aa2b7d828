package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/p2p-ai-agents/stowage/host/manager"
)

// killPlugin waits for the moment, kills the plugin's process as a crash would,
// and waits until the supervisor has another one serve.
func (d *demo) killPlugin(ctx context.Context, moment <-chan struct{}) error {
	select {
	case <-moment:
	case <-ctx.Done():
		return ctx.Err()
	}
	victim, err := d.process()
	if err != nil {
		return err
	}
	peak, err := peakMemory(victim.PID)
	if err != nil {
		return err
	}
	d.report.treeMemory.plugin = max(d.report.treeMemory.plugin, peak)
	select {
	case <-d.serving: // of an earlier start
	default:
	}

	begin := time.Now()
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing the plugin: %w", err)
	}
	d.report.kills++
	timeout := time.NewTimer(d.patience)
	defer timeout.Stop()
	select {
	case <-d.serving:
	case <-timeout.C:
		return fmt.Errorf("the plugin was not brought back within %s", d.patience)
	case <-ctx.Done():
		return ctx.Err()
	}
	d.report.recoveries = append(d.report.recoveries, time.Since(begin))
	successor, err := d.process()
	if err != nil {
		return err
	}
	if successor.PID == victim.PID {
		return fmt.Errorf("process %d serves after it was killed", victim.PID)
	}
	d.report.restarts++
	return nil
}

// process is the one that runs the plugin now.
func (d *demo) process() (manager.ProcessStatus, error) {
	for _, p := range d.host.Status().Plugins {
		for _, process := range p.Processes {
			if process.PID != 0 {
				return process, nil
			}
		}
	}
	return manager.ProcessStatus{}, fmt.Errorf("no plugin process runs: %+v", d.host.Status().Plugins)
}
