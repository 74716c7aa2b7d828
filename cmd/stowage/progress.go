package main

import (
	"fmt"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/p2p-ai-agents/stowage/host"
)

// progress is a bar on a terminal, and nothing elsewhere. A nil progress is
// one that is never shown.
type progress struct {
	container *mpb.Progress
	bar       *mpb.Bar
	total     int64
}

func (a *app) newProgress() *progress {
	if a.json || !isTerminal(a.stderr) {
		return nil
	}
	container := mpb.New(mpb.WithOutput(a.stderr), mpb.WithWidth(40))
	return &progress{container: container, bar: container.AddBar(0,
		mpb.PrependDecorators(decor.CountersKibiByte("% .1f / % .1f ")),
		mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace), decor.AverageSpeed(decor.SizeB1024(0), " % .1f")),
		mpb.BarRemoveOnComplete(),
	)}
}

// expect adds to what there is to do. It is called from one goroutine.
func (p *progress) expect(bytes int64) {
	if p == nil {
		return
	}
	p.total += bytes
	p.bar.SetTotal(p.total, false)
}

func (p *progress) add(bytes int64) {
	if p != nil {
		p.bar.IncrInt64(bytes)
	}
}

// done takes the bar away. It may be called twice.
func (p *progress) done() {
	if p == nil {
		return
	}
	p.bar.Abort(true)
	p.container.Wait()
}

// repairProgress counts on a terminal how far a repair is. A nil one is never
// shown.
type repairProgress struct {
	container *mpb.Progress
	bar       *mpb.Bar
	last      atomic.Pointer[host.RepairReport]
}

func (a *app) newRepairProgress() *repairProgress {
	if a.json || !isTerminal(a.stderr) {
		return nil
	}
	p := &repairProgress{container: mpb.New(mpb.WithOutput(a.stderr))}
	p.bar = p.container.New(0, mpb.SpinnerStyle().PositionLeft(), mpb.BarWidth(2), mpb.BarRemoveOnComplete(),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return describeRepair(p.last.Load()) })),
	)
	return p
}

// progressKey is how much of a key a progress line shows, in runes.
const progressKey = 24

func describeRepair(r *host.RepairReport) string {
	if r == nil {
		return " begins"
	}
	at := []rune(printable(r.Position))
	if len(at) > progressKey {
		at = append(at[:progressKey], '…')
	}
	return fmt.Sprintf(" %d keys, %d differed, %d copied, at %s", r.Scanned, r.Differed, r.Copied, string(at))
}

func (p *repairProgress) show(r host.RepairReport) {
	if p != nil {
		p.last.Store(&r)
	}
}

// done takes the line away. It may be called twice.
func (p *repairProgress) done() {
	if p == nil {
		return
	}
	p.bar.Abort(true)
	p.container.Wait()
}
