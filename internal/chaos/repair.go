package main

import (
	"encoding/json"

	"github.com/p2p-ai-agents/stowage/host/api/client"
	"github.com/p2p-ai-agents/stowage/host/routing"
)

// repair starts a host, has it make the copies equal, checks that another scan
// finds nothing to do, and stops the host.
func (r *run) repair() error {
	if err := r.startHost(); err != nil {
		return err
	}
	if err := r.await("all backends to serve", (*status).settled); err != nil {
		return err
	}
	first, err := r.scan(client.RepairOptions{Verify: true, Rate: -1})
	if err != nil {
		return err
	}
	r.report.repair = *first
	second, err := r.scan(client.RepairOptions{DryRun: true, Verify: true, Rate: -1})
	switch {
	case err != nil:
		return err
	case !first.Complete || first.Failed > 0:
		r.model.fault("the repair is not complete: %+v", *first)
	case second.Differed > 0:
		r.model.fault("after a repair another one finds differences: %+v", *second)
	}
	return r.stopHost()
}

func (r *run) scan(opts client.RepairOptions) (*routing.RepairReport, error) {
	doc, err := r.current().client.Repair(r.life, policyName, opts)
	if err != nil {
		return nil, err
	}
	report := &routing.RepairReport{}
	return report, json.Unmarshal(doc, report)
}
