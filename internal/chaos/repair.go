package main

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"

	stowage "github.com/p2p-ai-agents/stowage/host"
)

// repair makes the copies equal, and checks that another scan finds nothing to
// do. No host runs before or after.
func (r *run) repair() (err error) {
	h, err := stowage.New(stowage.Options{ConfigPath: r.config, Logger: hclog.New(&hclog.LoggerOptions{Name: "repair", Output: r.log})})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close(context.WithoutCancel(r.life))) }()
	if err := h.Start(r.life); err != nil {
		return err
	}
	if err := r.until("the host to be ready", func() (string, bool) {
		if err := h.Ready(); err != nil {
			return err.Error(), false
		}
		return "", true
	}); err != nil {
		return err
	}
	first, err := h.Repair(r.life, policyName, stowage.RepairOptions{Verify: true, Rate: -1})
	if err != nil {
		return err
	}
	r.report.repair = first
	second, err := h.Repair(r.life, policyName, stowage.RepairOptions{DryRun: true, Verify: true, Rate: -1})
	switch {
	case err != nil:
		return err
	case !first.Complete || first.Failed > 0:
		r.model.fault("the repair is not complete: %+v", first)
	case second.Differed > 0:
		r.model.fault("after a repair another one finds differences: %+v", second)
	}
	return nil
}
