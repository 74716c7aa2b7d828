package routing

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// maxAdvances is how often a replica is asked again because its copy changed
// between the look and the write.
const maxAdvances = 16

// answer is what a replica holds of a key.
type answer struct {
	replica *replica
	state   copyState
	err     error
}

// ask looks at the copy of a replica.
func (e *replicated) ask(ctx context.Context, r *replica, key string) answer {
	o, err := r.child.Store.Stat(ctx, key, storage.StatOptions{Consistency: r.strong()})
	switch {
	case err == nil:
		return answer{replica: r, state: stateOf(o)}
	case storage.CodeOf(err) == storage.CodeNotFound:
		return answer{replica: r}
	default:
		return answer{replica: r, err: err}
	}
}

// fenced is ask for who must not be overtaken by a write that may still land.
func (e *replicated) fenced(ctx context.Context, r *replica, key string) answer {
	if err := fence(ctx, r.child.Store, key); err != nil {
		return answer{replica: r, err: err}
	}
	return e.ask(ctx, r, key)
}

// survey asks all replicas at once and returns as soon as need of them have
// answered. The error is Unavailable if too few do, and nothing has happened then.
func (e *replicated) survey(ctx context.Context, set copySet, key string, need int) ([]answer, error) {
	return e.surveyWith(ctx, set, key, need, false, e.ask)
}

// surveyWith is survey by another question than [replicated.ask], and waits for
// the first replica as well if primary is set.
func (e *replicated) surveyWith(ctx context.Context, set copySet, key string, need int, primary bool, ask func(context.Context, *replica, string) answer) ([]answer, error) {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	in := make(chan answer, len(set.replicas))
	for _, r := range set.replicas {
		if !e.background(func() { in <- ask(asking, r, key) }) {
			return nil, storage.Errorf(storage.CodeUnavailable, "policy %q is closed", e.name)
		}
	}
	var got []answer
	var failures []error
	var outcomes []string
	missing := primary
	for range set.replicas {
		var a answer
		select {
		case a = <-in:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if a.err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			failures = append(failures, a.err)
			outcomes = append(outcomes, a.replica.ref()+": "+a.err.Error())
			if primary && a.replica == set.primary() {
				err := e.tooFew("the first replica, which decides conditional writes, does not answer", set, need, outcomes, failures)
				return nil, err
			}
			if code, ok := common(failures); ok && len(failures) == len(set.replicas) {
				return nil, storage.Errorf(code, "policy %q: %w", e.name, a.err)
			}
			continue
		}
		if got = append(got, a); a.replica == set.primary() {
			missing = false
		}
		if len(got) >= need && !missing {
			return got, nil
		}
	}
	return nil, e.tooFew("too few replicas say what they hold", set, need, outcomes, failures)
}

// newest returns the answer with the greatest stamp.
func newest(answers []answer) answer {
	best := answers[0]
	for _, a := range answers[1:] {
		if best.state.stamp.less(a.state.stamp) {
			best = a
		}
	}
	return best
}

// holders counts those of answers that have the stamp.
func holders(answers []answer, s stamp) int {
	n := 0
	for _, a := range answers {
		if a.state.stamp == s {
			n++
		}
	}
	return n
}

// version is what a write gives to replicas.
type version struct {
	stamp       stamp
	contentType string
	metadata    map[string]string // with the reserved entries
	size        int64
	crc32c      uint32
	tombstone   bool
	expires     time.Time
	// open returns the value from its beginning.
	open func(ctx context.Context) (io.ReadCloser, error)
}

// object is the version as callers of the policy see it.
func (v *version) object(key string) storage.Object {
	return storage.Object{
		Key: key, Size: v.size, ETag: v.stamp.etag(), ContentType: v.contentType, Metadata: v.metadata,
		ModTime: versionTime(v.stamp.version), ExpiresAt: v.expires, CRC32C: v.crc32c,
	}
}

func emptyBody(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(nil)), nil
}

// give stores v at a replica on a condition about the replica's own copy.
func (e *replicated) give(ctx context.Context, r *replica, key string, v *version, cond storage.Condition) error {
	body, err := v.open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	if r.unordered() {
		cond = storage.Condition{} // the key's turn is what orders writes there; see [replicated.endStragglers]
	}
	res, err := r.child.Store.Put(ctx, key, body, storage.PutOptions{
		If: cond, ContentType: v.contentType, Metadata: v.metadata, SizeHint: v.size,
	})
	if err == nil && (res.Object.Size != v.size || res.Object.CRC32C != v.crc32c) {
		e.queue(key, r) // it passes for a copy of the version
		err = &storage.Error{
			Code: storage.CodeDataLoss, OutcomeUnknown: true,
			Err: storage.Errorf(storage.CodeDataLoss, "%s stored %d bytes with checksum %08x instead of %d with %08x", r.ref(), res.Object.Size, res.Object.CRC32C, v.size, v.crc32c),
		}
	}
	return err
}

// advance makes a replica hold v or a newer version. known is what it was seen
// to hold; nil if it was not asked.
func (e *replicated) advance(ctx context.Context, r *replica, key string, v *version, known *copyState) error {
	may := false // an attempt before may have stored it
	failed := func(err error) error {
		if may {
			return unsure(err, true)
		}
		return err
	}
	for range maxAdvances {
		if known == nil {
			a := e.ask(ctx, r, key)
			if a.err != nil {
				return failed(looked(a.err))
			}
			known = &a.state
		}
		if !known.stamp.less(v.stamp) {
			return nil
		}
		err := e.give(ctx, r, key, v, unchanged(*known))
		switch {
		case err == nil:
			return nil
		case storage.CodeOf(err) != storage.CodeFailedPrecondition && storage.CodeOf(err) != storage.CodeAborted:
			return failed(err)
		}
		may, known = may || mayHaveHappened(err), nil
	}
	return failed(storage.Errorf(storage.CodeAborted, "the copy at %s changed %d times while it was being replaced", r.ref(), maxAdvances))
}

// unchanged is the condition that a copy is still as it was seen.
func unchanged(s copyState) storage.Condition {
	if !s.present {
		return storage.IfAbsent()
	}
	return storage.IfETag(s.object.ETag)
}

// unsure sets whether the write that err ended may have happened.
func unsure(err error, may bool) error {
	e := storage.AsError(err)
	e.OutcomeUnknown = may
	return e
}

// looked is the error of a look as that of the write it was for, which has not
// begun.
func looked(err error) error {
	e := storage.AsError(err)
	if e.OutcomeUnknown = false; e.Code == storage.CodeDeadlineExceeded {
		e.Code, e.Temporary = storage.CodeUnavailable, true
	}
	return e
}

// copyFrom is the version that a replica holds, to be given to others.
func (e *replicated) copyFrom(from answer, key string) *version {
	o := from.state.object
	v := &version{
		stamp: from.state.stamp, contentType: o.ContentType, size: o.Size, crc32c: o.CRC32C,
		tombstone: from.state.tombstone, expires: from.state.expires, open: emptyBody,
		metadata: metadataFor(o.Metadata, from.state.stamp, o.Metadata[metaSHA256], from.state.expires, from.state.tombstone),
	}
	if !v.tombstone {
		v.open = func(ctx context.Context) (io.ReadCloser, error) {
			r, err := from.replica.child.Store.Get(ctx, key, storage.GetOptions{IfMatch: o.ETag})
			if err == nil {
				return r, nil
			}
			if code := storage.CodeOf(err); code == storage.CodeFailedPrecondition || code == storage.CodeNotFound {
				err = storage.Errorf(storage.CodeAborted, "%s has another version by now", from.replica.ref())
			}
			return nil, unsure(err, false)
		}
	}
	return v
}

// spread gives the newest of answers to replicas until need of them have it,
// the first one among them if primary is set. A key that nobody has needs
// nothing.
func (e *replicated) spread(ctx context.Context, set copySet, key string, answers []answer, need int, primary bool) error {
	best := newest(answers)
	if !best.state.present {
		return nil
	}
	have := holders(answers, best.state.stamp)
	v := e.copyFrom(best, key)
	var failures []error
	var outcomes []string
	for _, r := range set.replicas {
		known := knownOf(answers, r)
		must := primary && r == set.primary()
		if known != nil && known.stamp == best.state.stamp || have >= need && !must {
			continue
		}
		err := e.advance(ctx, r, key, v, known)
		if err == nil {
			have++
			e.tell(event.Repaired, r, key, nil)
			continue
		}
		failures, outcomes = append(failures, err), append(outcomes, outcome(r, err))
		if must {
			have = -len(set.replicas)
		}
	}
	if have >= need {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return e.tooFew("the newest version is at too few replicas, and could not be copied", set, need, outcomes, failures)
}

func knownOf(answers []answer, r *replica) *copyState {
	for i := range answers {
		if answers[i].replica == r {
			return &answers[i].state
		}
	}
	return nil
}
