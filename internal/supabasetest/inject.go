package supabasetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// answerJSON makes a fixed answer of one of the services' errors.
func answerJSON(match string, status int, body any) Fault {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err) // plain structs of strings
	}
	return Fault{Match: match, Kind: Answer, Status: status, Body: string(encoded)}
}

// faults are the project's injections, the oldest first.
type faults struct {
	mu     sync.Mutex
	active []*Injection
}

// Injection is a fault in force. Its methods may be called from several
// goroutines.
type Injection struct {
	fault   Fault
	pattern pattern
	owner   *faults

	release chan struct{}
	once    sync.Once

	mu      sync.Mutex
	skip    int
	left    int // negative: no limit
	hits    int
	done    int
	gone    int
	changed chan struct{} // closed and replaced at every change
}

// Inject puts a fault into force. Of several that match a request the oldest
// that is not used up takes it.
func (p *Project) Inject(fault Fault) *Injection {
	i := &Injection{
		fault:   fault,
		pattern: parsePattern(fault.Match),
		owner:   &p.faults,
		release: make(chan struct{}),
		skip:    fault.Skip,
		left:    fault.Times,
		changed: make(chan struct{}),
	}
	if i.left == 0 {
		i.left = 1
	}
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.active = append(p.faults.active, i)
	return i
}

// take finds the injection that breaks a request, if any.
func (f *faults) take(r *http.Request) *Injection {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.active {
		if i.pattern.matches(r.Method, r.URL.Path) && i.claim() {
			return i
		}
	}
	return nil
}

func (i *Injection) claim() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.left == 0:
		return false
	case i.skip > 0:
		i.skip--
		return false
	}
	i.left--
	return true
}

// Release lets the requests go on that a Stall or Late holds, and those to come.
// More calls do nothing.
func (i *Injection) Release() { i.once.Do(func() { close(i.release) }) }

// Remove ends the fault for requests to come. It releases none.
func (i *Injection) Remove() {
	i.owner.mu.Lock()
	defer i.owner.mu.Unlock()
	i.owner.active = slices.DeleteFunc(i.owner.active, func(other *Injection) bool { return other == i })
}

// Hits counts the requests that the fault has taken. One that is stalled counts
// once its body has arrived.
func (i *Injection) Hits() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.hits
}

// WaitHit waits until the fault has taken n requests in all.
func (i *Injection) WaitHit(ctx context.Context, n int) error {
	return i.wait(ctx, "taken", n, func() int { return i.hits })
}

// WaitDone waits until n requests that the fault took have come to their end,
// carried out or given up. For a Late one that its client has left, this is when
// its effect is there.
func (i *Injection) WaitDone(ctx context.Context, n int) error {
	return i.wait(ctx, "done", n, func() int { return i.done })
}

// WaitGone waits until the clients of n requests have gone, as the server sees
// it, while a Stall or Late held them.
func (i *Injection) WaitGone(ctx context.Context, n int) error {
	return i.wait(ctx, "left by their clients", n, func() int { return i.gone })
}

func (i *Injection) wait(ctx context.Context, what string, n int, count func() int) error {
	for {
		i.mu.Lock()
		reached, changed := count(), i.changed
		i.mu.Unlock()
		if reached >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("fault on %q: %d of %d requests %s: %w", i.fault.Match, reached, n, what, context.Cause(ctx))
		}
	}
}

func (i *Injection) note(counter *int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	*counter++
	close(i.changed)
	i.changed = make(chan struct{})
}

// serve breaks one request. next carries it out; work is the context for that,
// and r still has the client's.
func (i *Injection) serve(work context.Context, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	defer i.note(&i.done)
	client := r.Context()
	conn := connectionOf(client)
	working := r.WithContext(work)
	switch i.fault.Kind {
	case AnswerLost:
		i.note(&i.hits)
		next(&lostAnswer{}, working)
		conn.reset()
		panic(http.ErrAbortHandler)
	case CutBefore:
		i.note(&i.hits)
		conn.reset()
		panic(http.ErrAbortHandler)
	case CutRequest:
		i.note(&i.hits)
		working.Body = &cutBody{inner: r.Body, left: i.fault.Bytes, cut: conn.reset}
		next(&lostAnswer{}, working)
		conn.reset()
		panic(http.ErrAbortHandler)
	case CutAnswer:
		i.note(&i.hits)
		next(&cutAnswer{inner: w, left: i.fault.Bytes}, working)
		cutAfterFlush(w, conn)
		panic(http.ErrAbortHandler)
	case Stall, Late:
		i.hold(client, w, working, next)
	case Answer:
		i.note(&i.hits)
		i.answer(w)
	case Delay:
		i.note(&i.hits)
		timer := time.NewTimer(i.fault.Pause)
		defer timer.Stop()
		select {
		case <-timer.C:
			next(w, working)
		case <-client.Done():
			panic(http.ErrAbortHandler)
		}
	default:
		panic(fmt.Sprintf("supabasetest: fault on %q has no kind", i.fault.Match))
	}
}

// hold waits for Release. The body is taken in first: only then does the HTTP
// server see that a client goes, and only then is the request there to be
// carried out late.
func (i *Injection) hold(client context.Context, w http.ResponseWriter, working *http.Request, next http.HandlerFunc) {
	body, err := spool(working.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client broke off
	}
	defer body.Close()
	working.Body = body
	i.note(&i.hits)
	unhook := context.AfterFunc(client, func() { i.note(&i.gone) })
	defer unhook()
	gone := client.Done()
	if i.fault.Kind == Late {
		gone = nil
	}
	select {
	case <-i.release:
		next(w, working)
	case <-gone:
		panic(http.ErrAbortHandler)
	case <-working.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

func (i *Injection) answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	for name, values := range i.fault.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(i.fault.Status)
	// The client may be gone.
	_, _ = w.Write([]byte(i.fault.Body))
}
