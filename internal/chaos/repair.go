package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

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
	first, err := r.scan(r.life, client.RepairOptions{Verify: true, Rate: -1})
	if err != nil {
		return err
	}
	r.report.repair = *first
	r.uncorrupted(first)
	second, err := r.scan(r.life, client.RepairOptions{DryRun: true, Verify: true, Rate: -1})
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

// keepRepairing has the host repair while there is load and torment, one repair
// soon after the other, until ctx ends. Most are interrupted.
func (r *run) keepRepairing(ctx context.Context) {
	random := r.random(math.MaxUint64)
	for ctx.Err() == nil {
		if r.current() != nil {
			done, err := r.scan(ctx, client.RepairOptions{
				Verify: random.IntN(2) == 0, Restart: random.IntN(4) == 0, DryRun: random.IntN(8) == 0, Rate: 50 + random.Float64()*500,
			})
			if err == nil && done.Complete {
				r.report.repairs++
			}
			if err == nil {
				r.uncorrupted(done)
			}
		}
		timer := time.NewTimer(time.Duration(random.Int64N(int64(repairPause))))
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// uncorrupted checks that a repair found no value that is not what was written.
func (r *run) uncorrupted(found *routing.RepairReport) {
	for _, c := range found.Children {
		if c.Corrupt > 0 {
			r.model.fault("a repair found wrong values at %s: %+v", c.Name, *found)
		}
	}
}

// repairPause is the longest time from one repair to the next.
const repairPause = 5 * time.Second

func (r *run) scan(ctx context.Context, opts client.RepairOptions) (*routing.RepairReport, error) {
	h := r.current()
	if h == nil {
		return nil, errors.New("no host runs")
	}
	doc, err := h.client.Repair(ctx, policyName, opts)
	if err != nil {
		return nil, err
	}
	report := &routing.RepairReport{}
	return report, json.Unmarshal(doc, report)
}
