package routing

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// whereabouts says where the newest state of a key is that a child missed. It is
// the note of the debt.
type whereabouts struct {
	state  state
	holder string // the child that took the last write
	// expires is when the object disappears at the holder; zero: never.
	expires time.Time
}

// state is what the holder has.
type state string

const (
	// present: an object. That it is absent means that the holder lost it, unless
	// it expired.
	present state = "has"
	// deleted: nothing. It need not be asked.
	deleted state = "deleted"
	// decisive: whatever it has, also nothing, is the newest state.
	decisive state = "decides"
)

const untilNote = "until:"

func (w whereabouts) String() string {
	what := string(w.state)
	if !w.expires.IsZero() {
		what = untilNote + strconv.FormatInt(w.expires.UnixMilli(), 10)
	}
	return what + " " + w.holder
}

func parseWhereabouts(note string) (w whereabouts, err error) {
	what, holder, _ := strings.Cut(note, " ")
	w = whereabouts{state: state(what), holder: holder}
	if at, ok := strings.CutPrefix(what, untilNote); ok {
		ms, err := strconv.ParseInt(at, 10, 64)
		if err == nil {
			w.state, w.expires = present, time.UnixMilli(ms)
		}
	}
	if !slices.Contains([]state{present, deleted, decisive}, w.state) || holder == "" {
		return w, storage.Errorf(storage.CodeInternal, "the journal's note %q is not one of this host's version", note)
	}
	return w, nil
}

// mayBeGone reports whether it is an answer that the holder has no object.
func (w whereabouts) mayBeGone(now time.Time) bool {
	return w.state != present || !w.expires.IsZero() && !now.Before(w.expires)
}

// existed tells whether a write replaced a live object. taker is the child that
// took it, which says that there was one before, and prior is where the key was
// for the policy; owed is false if that is the primary.
func existed(prior whereabouts, owed bool, taker *candidate, before storage.Tristate) storage.Tristate {
	switch {
	case !owed && taker.index == 0, owed && prior.state != deleted && prior.holder == taker.child.Name:
		return before
	case !owed || prior.state == decisive:
		return storage.Unknown
	default:
		return storage.TristateOf(!prior.mayBeGone(time.Now()))
	}
}

// lost is the error of a key that its holder does not have although it should.
func (w whereabouts) lost() error {
	return storage.Errorf(storage.CodeDataLoss,
		"%s took the last write to the key and does not have it any more; write or delete the key to settle what it is", w.holder)
}

// away is the error of a key whose holder does not answer.
func (w whereabouts) away(primary string, err error) error {
	e := storage.Errorf(storage.CodeUnavailable, "%s has only an older version; the newest is at %s: %w", primary, w.holder, err)
	e.RetryAfter = storage.AsError(err).RetryAfter
	return e
}

// unnamed is the error of a holder that is not a child any more.
func (w whereabouts) unnamed() error {
	return storage.Errorf(storage.CodeUnavailable, "%s, which took writes in the place of others, is not in the policy's order any more: name it again until nothing is owed", w.holder)
}

func checkReference(policy, ref string) error {
	if longest := (whereabouts{state: present, holder: ref, expires: time.UnixMilli(1 << 52)}); len(longest.String()) > maxNote {
		return refused(policy, "the name %.40s… is too long for the journal", ref)
	}
	return nil
}
