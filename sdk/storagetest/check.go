package storagetest

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Check runs every case on b, one after the other, and reports. It blocks for
// as long as the cases take; when ctx ends, those left are reported as failed.
// Unless opts.KeepOpen is set, b is closed when Check returns.
//
// A case whose backend does not come back although its context is done is
// given up after a few seconds, and its goroutine stays behind.
func Check(ctx context.Context, b storage.Backend, opts Options) Report {
	s := newSuite(b, opts)
	report := Report{Prefix: s.opts.Prefix}
	for _, r := range allRules() {
		report.Results = append(report.Results, s.run(ctx, r))
	}
	report.Leftovers = s.leftovers
	return report
}

// suite is a backend under test. Its cases run one after the other.
type suite struct {
	opts    Options
	backend storage.Backend
	store   storage.Store
	// serial numbers the cases, so that each has keys of its own.
	serial    int
	leftovers []string
}

func newSuite(b storage.Backend, opts Options) *suite {
	return &suite{opts: opts.withDefaults(), backend: b, store: storage.Complete(b)}
}

func (s *suite) run(ctx context.Context, r rule) Result {
	res := Result{Name: r.fullName(), Group: r.group}
	if reason := r.skipReason(s.store.Capabilities(), s.opts); reason != "" {
		res.Status, res.Reason = Skipped, reason
		return res
	}
	if err := ctx.Err(); err != nil {
		res.Status, res.Reason = Failed, "not run: "+err.Error()
		return res
	}
	s.serial++
	start := time.Now()
	res.Reason = s.judge(ctx, r, newProbe(s, fmt.Sprintf("%s%d/", s.opts.Prefix, s.serial)))
	res.Duration = time.Since(start)
	res.Status = Passed
	if res.Reason != "" {
		res.Status = Failed
	}
	return res
}

// grace is how long a case may take to come back once its context is done.
const grace = 5 * time.Second

// judge runs the case in a goroutine of its own, so that a backend that hangs
// fails one case and not the run. It returns "" or what was broken.
func (s *suite) judge(ctx context.Context, r rule, p *probe) string {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	verdict := make(chan string, 1)
	go func() {
		verdict <- p.attempt(func() { r.check(ctx, p) })
	}()
	reason, hung := "", false
	select {
	case reason = <-verdict:
	case <-ctx.Done():
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case reason = <-verdict:
			if reason == "" {
				reason = fmt.Sprintf("expected the case to end within %v; it took longer", s.opts.Timeout)
			}
		case <-timer.C:
			hung = true
			reason = fmt.Sprintf("expected every operation to return once its context was done; one still hangs %v later", grace)
		}
	}
	if !hung {
		s.leftovers = append(s.leftovers, p.cleanUp(context.WithoutCancel(ctx))...)
	}
	return reason
}

// failure is what a probe panics with to end its case.
type failure string

// attempt runs f and returns the failure that ended it, or "".
func (p *probe) attempt(f func()) (reason string) {
	ended := false
	defer func() {
		switch v := recover().(type) {
		case nil:
			if !ended {
				reason = "the case was ended by runtime.Goexit"
			}
		case failure:
			reason = string(v)
		default:
			reason = fmt.Sprintf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	f()
	ended = true
	return ""
}
