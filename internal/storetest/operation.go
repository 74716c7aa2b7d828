package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// request is an operation of a caller on one key.
type request struct {
	op  string // get, stat, put, delete
	key string
	// id and size are of the value that is put.
	id, size int
	ttl      time.Duration
	cond     storage.Condition
	// expect is the value that a condition on an etag is about.
	expect  int
	level   storage.Consistency
	timeout time.Duration
	// session: it is one of those that belong together.
	session bool
}

func (r request) writes() bool { return r.op == "put" || r.op == "delete" }

func (r request) String() string {
	s := fmt.Sprintf("%s %q", r.op, r.key)
	if r.op == "put" {
		s += fmt.Sprintf(" value %d", r.id)
	}
	switch r.cond.Kind {
	case storage.ConditionAbsent:
		s += " if absent"
	case storage.ConditionExists:
		s += " if it exists"
	case storage.ConditionETag:
		s += fmt.Sprintf(" if it is value %d (%s)", r.expect, r.cond.ETag)
	}
	if r.level != storage.ConsistencyDefault {
		s += ", " + r.level.String()
	}
	return s
}

// outcome is how an operation ended.
type outcome uint8

const (
	done    outcome = iota + 1 // it happened, or it is an answer
	refused                    // its condition did not hold
	failed                     // it has not happened
	unknown                    // it may have happened, or may still
)

// reply is what a caller learnt.
type reply struct {
	outcome outcome
	err     error
	// id is the value that was read, or absent; object goes with it, or with what
	// was put.
	id     int
	object storage.Object
	// existed is what a write said about whether there was an object before.
	existed storage.Tristate
	// current is the etag that made a condition fail.
	current string
	// wrong is an answer that no store may give.
	wrong error
	// killed: the host was, before the caller learnt anything.
	killed bool
}

func (r reply) String() string {
	switch {
	case r.wrong != nil:
		return r.wrong.Error()
	case r.outcome == refused:
		return fmt.Sprintf("refused, it has %q", r.current)
	case r.outcome == unknown:
		return fmt.Sprintf("unknown: %v", r.err)
	case r.outcome == failed:
		return fmt.Sprintf("failed: %v", r.err)
	case r.id == absent && r.object.Key == "":
		return fmt.Sprintf("done, existed %v", r.existed)
	default:
		return fmt.Sprintf("value %d (%s), existed %v", r.id, r.object.ETag, r.existed)
	}
}

// perform runs an operation on the store that the host has now.
func (h *host) perform(r request) (rep reply) {
	var session *storage.Session
	if r.session {
		session = h.session
	}
	ctx, cancel := context.WithCancel(context.Background())
	if r.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, r.timeout)
	}
	defer cancel()
	h.log.op("caller", r.String(), "", "begins")
	killed := h.use(func(s storage.Store) {
		err := within(patience, r.op, func() error {
			rep = r.ask(ctx, s, session)
			return nil
		})
		if err != nil {
			rep = reply{wrong: fmt.Errorf("%v: %w", r, err)}
		}
	})
	if killed && rep.wrong == nil {
		rep = reply{outcome: failed, err: errors.New("the host was killed"), killed: true}
		if r.writes() {
			rep.outcome = unknown
		}
	}
	h.log.op("caller", r.String(), "", rep.String())
	return rep
}

func (r request) ask(ctx context.Context, s storage.Store, session *storage.Session) reply {
	switch r.op {
	case "get":
		reader, err := s.Get(ctx, r.key, storage.GetOptions{Consistency: r.level, Session: session})
		if err != nil {
			return r.reply(storage.Object{}, storage.Unknown, nil, err)
		}
		o := reader.Object
		value, err := reader.Bytes()
		if errors.Is(err, storage.ErrNotFound) {
			err = fmt.Errorf("the reading of a value that was found ended in %w", storage.ErrInternal)
		}
		return r.reply(o, storage.Unknown, value, err)
	case "stat":
		o, err := s.Stat(ctx, r.key, storage.StatOptions{Consistency: r.level, Session: session})
		return r.reply(o, storage.Unknown, nil, err)
	case "put":
		opts := putOptions(r.id, r.size)
		opts.If, opts.TTL, opts.Consistency, opts.Session = r.cond, r.ttl, r.level, session
		res, err := s.Put(ctx, r.key, strings.NewReader(text(r.id, r.size)), opts)
		existed := storage.Unknown
		if res.Created != storage.Unknown {
			existed = storage.TristateOf(res.Created == storage.No)
		}
		return r.reply(res.Object, existed, nil, err)
	default:
		res, err := s.Delete(ctx, r.key, storage.DeleteOptions{If: r.cond, Consistency: r.level, Session: session})
		return r.reply(storage.Object{}, res.Existed, nil, err)
	}
}

// reply judges an answer by itself.
func (r request) reply(o storage.Object, existed storage.Tristate, value []byte, err error) reply {
	rep := reply{outcome: done, existed: existed, object: o, err: err}
	if err != nil {
		rep.object = storage.Object{}
		e := storage.AsError(err)
		rep.outcome = failed
		switch {
		case r.writes() && e.OutcomeUnknown:
			rep.outcome = unknown
		case !r.writes() && e.Code == storage.CodeNotFound:
			rep.outcome, rep.id = done, absent
		case e.Code == storage.CodeFailedPrecondition:
			rep.outcome, rep.current = refused, e.Current
			if r.cond.IsNone() {
				rep.wrong = fmt.Errorf("%v fails on a condition it does not have: %w", r, err)
			}
		case !acceptable(e.Code, r.timeout > 0):
			rep.wrong = fmt.Errorf("%v fails in a way no fault explains: %w", r, err)
		}
		return rep
	}
	if r.op == "delete" {
		return rep
	}
	var wrong error
	if r.op == "get" {
		rep.id, wrong = identifyValue(o, value)
	} else {
		rep.id, wrong = identify(o)
	}
	switch {
	case wrong != nil:
		rep.wrong = fmt.Errorf("%v: %w", r, wrong)
	case o.Key != r.key:
		rep.wrong = fmt.Errorf("%v gives the object of %q", r, o.Key)
	case r.op == "put" && rep.id != r.id:
		rep.wrong = fmt.Errorf("%v says it put value %d", r, rep.id)
	}
	return rep
}

// acceptable are the codes that faults of children explain.
func acceptable(c storage.Code, impatient bool) bool {
	switch c {
	case storage.CodeUnavailable, storage.CodeThrottled, storage.CodeInternal, storage.CodeDeadlineExceeded:
		return true
	case storage.CodeCanceled:
		return impatient
	default:
		return false
	}
}
