package main

import (
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
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
