package main

import (
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bars shows progress on a terminal. A nil bars shows nothing.
type bars struct {
	container *mpb.Progress
	terminal  io.Writer
}

func newBars(terminal io.Writer) *bars {
	return &bars{mpb.New(mpb.WithOutput(terminal), mpb.WithWidth(40)), terminal}
}

// Write prints above the bars, and plainly when they are gone.
func (b *bars) Write(p []byte) (int, error) {
	n, err := b.container.Write(p)
	if err != nil {
		return b.terminal.Write(p)
	}
	return n, nil
}

func (b *bars) wait() {
	if b != nil {
		b.container.Wait()
	}
}

// bar is the progress of one step, in bytes. A nil bar is never shown.
type bar struct{ *mpb.Bar }

func (b *bars) add(name string, bytes int64) *bar {
	if b == nil {
		return nil
	}
	return &bar{b.container.AddBar(bytes,
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.CountersKibiByte("% .1f / % .1f ")),
		mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace), decor.AverageSpeed(decor.SizeB1024(0), " % .1f")),
		mpb.BarRemoveOnComplete(),
	)}
}

func (b *bar) add(bytes int64) {
	if b != nil {
		b.IncrInt64(bytes)
	}
}

// Write counts p as done.
func (b *bar) Write(p []byte) (int, error) {
	b.add(int64(len(p)))
	return len(p), nil
}

func (b *bar) end() {
	if b != nil {
		b.Abort(true)
	}
}
