package routing

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const (
	// TombstoneGrace is how old a tombstone, or an expired object, must be before
	// repair collects it.
	TombstoneGrace = time.Hour
	// repairCheckpoint is after how many keys the place of a scan is kept, and
	// repairProgress how often its progress is told.
	repairCheckpoint = 1000
	repairProgress   = 200 * time.Millisecond
	// dirtyCheck is how often replicas are looked at that must be scanned.
	dirtyCheck = 10 * time.Second
)

// scanState is what is kept of scans between runs.
type scanState struct {
	// Token is where an interrupted scan goes on; it began at Began.
	Token string    `json:"token,omitempty"`
	Began time.Time `json:"began,omitzero"`
	// Passed is when the last scan began that reached the end with every replica
	// answering. What was deleted before it may be collected.
	Passed time.Time `json:"passed,omitzero"`
}

func (e *replicated) scanKey() string { return "repair/" + e.name }

func (e *replicated) loadScan() (s scanState, err error) {
	raw, err := e.env.Journal.Value(e.scanKey())
	if err != nil || raw == nil {
		return s, err
	}
	return s, json.Unmarshal(raw, &s)
}

func (e *replicated) saveScan(s scanState) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return e.env.Journal.SetValue(e.scanKey(), raw)
}

// Repair implements [Repairer]: it reads the listings of all replicas side by
// side, in bounded memory, and makes the copies of each key equal.
func (e *replicated) Repair(ctx context.Context, opts RepairOptions) (RepairReport, error) {
	if !e.repairing.TryLock() {
		return RepairReport{Policy: e.name, DryRun: opts.DryRun}, storage.Errorf(storage.CodeAborted, "policy %q is being repaired already", e.name)
	}
	defer e.repairing.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	s, err := e.newScan(opts)
	if err != nil {
		return s.report, err
	}
	err = s.run(ctx)
	return s.report, err
}

// scan is a repair under way.
type scan struct {
	engine  *replicated
	opts    RepairOptions
	set     copySet
	merge   *merge
	state   scanState
	limit   *rate.Limiter
	report  RepairReport
	began   time.Time // of this run
	told    time.Time
	through bool // every replica has answered so far
	marks   map[*replica]uint64
}

func (e *replicated) newScan(opts RepairOptions) (*scan, error) {
	s := &scan{engine: e, opts: opts, began: time.Now(), through: true, marks: make(map[*replica]uint64)}
	s.report = RepairReport{Policy: e.name, DryRun: opts.DryRun, Failures: []RepairFailure{}}
	for _, r := range e.all {
		s.report.Children = append(s.report.Children, ChildRepair{Name: r.ref()})
	}
	if opts.Rate == 0 {
		opts.Rate = DefaultRepairRate
	}
	s.limit = rate.NewLimiter(rate.Inf, 1)
	if opts.Rate > 0 {
		s.limit = rate.NewLimiter(rate.Limit(opts.Rate), max(1, int(opts.Rate/10)))
	}
	set, err := e.begin(event.OpList, "")
	if err != nil {
		return s, err
	}
	s.set = set
	if s.state, err = e.loadScan(); err != nil {
		return s, err
	}
	if opts.Restart || opts.DryRun || s.state.Token == "" {
		s.state.Token, s.state.Began = "", s.began
	}
	token, err := parseMergeToken(s.state.Token)
	if err != nil {
		token, s.state.Began = mergeToken{}, s.began
	}
	s.report.Resumed = s.state.Token != "" && err == nil
	for _, r := range e.all {
		if mark, dirty := e.log.Dirty(r.ref()); dirty && !s.report.Resumed {
			s.marks[r] = mark // only a scan from the beginning shows all that it lacks
		}
	}
	s.merge = e.merge(set, storage.ListOptions{AllowPartial: true, Limit: storage.MaxListLimit}, token)
	s.merge.spare = 0
	s.merge.choose = s.compare
	return s, nil
}

func (s *scan) run(ctx context.Context) error {
	defer func() { s.report.Elapsed = time.Since(s.began) }()
	page, err := s.merge.page(ctx) // compare shows nothing, so it ends with the listing
	if page.Partial {
		s.through = false
		for i, listing := range s.merge.sources {
			if listing == nil {
				s.report.Failures = append(s.report.Failures, RepairFailure{Child: s.set.replicas[i].ref(), Error: "its listing broke off"})
			}
		}
	}
	s.tell(true)
	if err != nil {
		if !s.opts.DryRun {
			_ = s.checkpoint() // the scan goes on from the checkpoint before
		}
		return err
	}
	s.report.Complete = s.through
	if s.opts.DryRun {
		return nil
	}
	s.state.Token = ""
	if s.through {
		s.state.Passed = s.state.Began
		for r, mark := range s.marks {
			if s.report.Failed == 0 {
				if err := s.engine.log.Clean(r.ref(), mark); err != nil {
					return err
				}
			}
		}
	}
	return s.engine.saveScan(s.state)
}

// checkpoint keeps where the scan goes on, as long as every replica has answered:
// what it saw since does not count.
func (s *scan) checkpoint() error {
	if !s.through {
		return nil
	}
	s.state.Token = s.merge.token().String()
	return s.engine.saveScan(s.state)
}

func (s *scan) tell(now bool) {
	if s.opts.Progress == nil || !now && time.Since(s.told) < repairProgress {
		return
	}
	s.told = time.Now()
	s.report.Elapsed = time.Since(s.began)
	s.opts.Progress(s.report)
}

// compare looks at what the replicas list under one name. It shows nothing.
func (s *scan) compare(ctx context.Context, same []found) (*entry, error) {
	if err := s.limit.Wait(ctx); err != nil {
		return nil, err
	}
	key := same[0].entry.name
	s.report.Scanned++
	s.report.Position = key
	answers := make([]answer, 0, len(same))
	for _, f := range same {
		answers = append(answers, answer{replica: s.set.replicas[f.source], state: stateOf(*f.entry.object)})
	}
	best := newest(answers)
	listing := 0
	for _, l := range s.merge.sources {
		if l != nil {
			listing++
		}
	}
	if listing < len(s.set.replicas) {
		s.through = false
	}
	if listing < s.set.read() {
		return nil, storage.Errorf(storage.CodeUnavailable, "policy %q: only %d of %d replicas can be listed, %d are needed to know what is newest", s.engine.name, listing, len(s.set.replicas), s.set.read())
	}
	gone := !best.state.live(time.Now())
	switch {
	case gone && s.collectable(answers, best.state):
		s.collect(ctx, key, answers)
	case holders(answers, best.state.stamp) < listing:
		s.differ(ctx, key, answers, best)
	case s.opts.Verify && !gone:
		s.verify(ctx, key, answers)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // the scan goes on with this key
	}
	if s.report.Scanned%repairCheckpoint == 0 && !s.opts.DryRun {
		if err := s.checkpoint(); err != nil {
			return nil, err
		}
	}
	s.tell(false)
	return nil, nil
}

// collectable reports whether nothing but the same old tombstone, or expired
// object, is left of a key, at replicas that all answer, and a full scan has
// passed since.
func (s *scan) collectable(answers []answer, best copyState) bool {
	at := versionTime(best.stamp.version)
	if !best.tombstone {
		at = best.expires
	}
	if !s.through || time.Since(at) < TombstoneGrace || !at.Before(s.state.Passed) {
		return false
	}
	return holders(answers, best.stamp) == len(answers)
}

func (s *scan) collect(ctx context.Context, key string, answers []answer) {
	if slices.ContainsFunc(answers, func(a answer) bool { return !a.replica.child.Store.Capabilities().ConditionalDelete }) {
		return // what is new at one of them could be taken for what was seen
	}
	if s.opts.DryRun {
		s.report.Collected++
		return
	}
	unlock, err := s.engine.keys.Lock(ctx, key)
	if err != nil {
		return
	}
	defer unlock()
	if s.engine.recorded(s.engine.all, key) {
		return
	}
	for _, a := range answers {
		_, err := a.replica.child.Store.Delete(ctx, key, storage.DeleteOptions{If: unchanged(a.state)})
		if err != nil && storage.CodeOf(err) != storage.CodeFailedPrecondition {
			s.fail(key, a.replica, err)
			return
		}
	}
	s.report.Collected++
	s.engine.tell(event.Collected, nil, key, nil)
}

// differ makes the copies of a key equal. The listings are older than what is
// written meanwhile, so it looks again before it says that anything is wrong.
func (s *scan) differ(ctx context.Context, key string, answers []answer, best answer) {
	if s.opts.DryRun {
		now, _ := s.engine.askAll(ctx, s.set, key)
		if len(now) > 0 {
			answers, best = now, newest(now)
		}
		if holders(answers, best.state.stamp) == len(s.set.replicas) {
			return
		}
		s.report.Differed++
		for i, r := range s.set.replicas {
			if known := knownOf(answers, r); known == nil || known.stamp.less(best.state.stamp) {
				s.note(i, known, best.state)
			}
		}
		return
	}
	h, err := s.engine.mend(ctx, key, false)
	if err != nil {
		s.fail(key, nil, err)
		return
	}
	if len(h.lacked) > 0 {
		s.report.Differed++
		if !h.best.state.tombstone {
			s.report.Bytes += int64(h.advanced) * h.best.state.object.Size
		}
	}
	for _, a := range h.lacked {
		s.note(a.replica.index, &a.state, h.best.state)
	}
	for _, err := range h.failures {
		s.fail(key, nil, err)
	}
	if len(h.failures) == 0 {
		for _, r := range h.equal {
			s.engine.log.Settle(r.ref(), key, uint64(h.best.state.stamp.version))
		}
	}
}

// note counts what was wrong with a copy, and what is done about it.
func (s *scan) note(index int, was *copyState, best copyState) {
	child := &s.report.Children[index]
	switch {
	case was == nil || !was.present:
		child.Missing++
	case best.tombstone:
		child.Extra++
	default:
		child.Stale++
	}
	if best.tombstone {
		s.report.Deleted++
	} else {
		s.report.Copied++
	}
}

func (s *scan) fail(key string, r *replica, err error) {
	s.report.Failed++
	if len(s.report.Failures) == MaxRepairFailures {
		return
	}
	f := RepairFailure{Key: key, Error: err.Error()}
	if r != nil {
		f.Child = r.ref()
	}
	s.report.Failures = append(s.report.Failures, f)
}

// verify reads the value of every copy.
func (s *scan) verify(ctx context.Context, key string, answers []answer) {
	for _, a := range answers {
		err := s.engine.readThrough(ctx, a, key)
		if err == nil {
			continue
		}
		if storage.CodeOf(err) != storage.CodeDataLoss {
			s.fail(key, a.replica, err)
			continue
		}
		s.report.Children[a.replica.index].Corrupt++
		s.report.Differed++
		if s.opts.DryRun {
			s.report.Copied++
			continue
		}
		h, err := s.engine.mend(ctx, key, false)
		if err == nil {
			err = s.engine.replace(ctx, h, key, a.replica)
		}
		if err != nil {
			s.fail(key, a.replica, err)
			continue
		}
		s.report.Copied++
		s.report.Bytes += a.state.object.Size
	}
}

// readThrough reads a copy to its end and compares its checksums.
func (e *replicated) readThrough(ctx context.Context, a answer, key string) error {
	r, err := a.replica.child.Store.Get(ctx, key, storage.GetOptions{IfMatch: a.state.object.ETag})
	if err != nil {
		if code := storage.CodeOf(err); code == storage.CodeFailedPrecondition || code == storage.CodeNotFound {
			return nil // it was replaced since it was listed
		}
		return err
	}
	defer r.Close()
	return drain(r, a.state.object.Metadata[metaSHA256])
}

func drain(r *storage.Reader, sha256 string) error {
	if sha256 == "" {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	r.Wrap(func(source io.ReadCloser) io.ReadCloser { return newHashedSource(source, sha256, r.Length) })
	_, err := io.Copy(io.Discard, r)
	return err
}

// scanDirty repairs the policy when a replica must be scanned, until the engine
// is closed.
func (e *replicated) scanDirty() {
	ticker := time.NewTicker(dirtyCheck)
	defer ticker.Stop()
	for {
		for _, r := range e.all {
			if _, dirty := e.log.Dirty(r.ref()); dirty && e.usable(r) {
				_, _ = e.Repair(e.life, RepairOptions{Restart: true}) // it is tried again, and the child stays dirty until it succeeds
				break
			}
		}
		select {
		case <-e.life.Done():
			return
		case <-ticker.C:
		}
	}
}
