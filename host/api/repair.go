package api

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Repairer is a [Host] whose policies can be repaired over HTTP.
type Repairer interface {
	// Repair makes the copies that a policy keeps equal, until ctx ends. The
	// report, and those that progress is given meanwhile from one goroutine,
	// must encode as JSON; a report may come with an error.
	Repair(ctx context.Context, policy string, opts RepairOptions, progress func(report any)) (report any, err error)
}

// RepairOptions are what a request asks of a repair.
type RepairOptions struct {
	// DryRun compares and changes nothing; Restart begins with the first key;
	// Verify also compares the values.
	DryRun, Restart, Verify bool
	// Rate is how many keys are compared per second at most: 0 leaves it to the
	// host, a negative one sets no limit.
	Rate float64
}

// repairPath begins the path of a repair. The rest is the name of the policy,
// percent encoded.
const repairPath = "/v1/repair/"

// repairLine is a line of the answer; the last has a report, an error, or both.
type repairLine struct {
	Progress any             `json:"progress,omitempty"`
	Report   any             `json:"report,omitempty"`
	Error    json.RawMessage `json:"error,omitempty"`
}

// repair runs a repair and tells how it goes, line by line. It ends when the
// caller is gone or the host drains; the next one goes on from there.
func (h *handler) repair(escaped string) action {
	return func(w *response, r *http.Request) {
		repairer, ok := h.host.(Repairer)
		if !ok {
			h.fail(w, r, storage.Errorf(storage.CodeUnimplemented, "this host repairs nothing over HTTP"))
			return
		}
		policy, err := url.PathUnescape(escaped)
		if err != nil || policy == "" {
			h.fail(w, r, storage.Errorf(storage.CodeInvalidArgument, "name the policy to repair: POST %sNAME", repairPath))
			return
		}
		opts, err := parseRepairOptions(r.URL.RawQuery)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer h.gate.onDrain(cancel)()
		out := &lines{w: w, stop: cancel}
		w.waive()
		report, err := repairer.Repair(ctx, policy, opts, func(report any) { out.write(repairLine{Progress: report}) })
		if err != nil && h.gate.isDraining() {
			err = storage.Errorf(storage.CodeUnavailable, "%w; the next repair goes on where this one ended", errDraining)
		}
		switch {
		case err == nil:
			out.write(repairLine{Report: report})
		case w.status == 0:
			h.fail(w, r, err)
		default:
			out.write(repairLine{Report: report, Error: bytes.TrimSpace(encodeProblem(problemOf(err, statusOf(storage.CodeOf(err)))))})
		}
	}
}

// lines writes documents of one line each, and lets each leave at once. Between
// them any time may pass. Nobody uses it at the same time.
type lines struct {
	w *response
	// stop ends what there is to tell of: nobody hears it.
	stop func()
}

func (l *lines) write(line repairLine) {
	raw, err := json.Marshal(line)
	if err != nil { // not what a Repairer promises
		l.stop()
		return
	}
	if l.w.status == 0 {
		header := l.w.Header()
		header.Set("Content-Type", "application/x-ndjson")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
	}
	if _, err := l.w.Write(append(raw, '\n')); err != nil || l.w.control.Flush() != nil {
		l.stop()
		return
	}
	l.w.waive()
}

// parseRepairOptions reads a query. As in a listing, a parameter that is
// misspelt or repeated is an error.
func parseRepairOptions(rawQuery string) (opts RepairOptions, err error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return opts, storage.Errorf(storage.CodeInvalidArgument, "the query is malformed: %w", err)
	}
	for name, values := range query {
		if len(values) != 1 {
			return opts, storage.Errorf(storage.CodeInvalidArgument, "the query has %d times %q", len(values), name)
		}
		switch value := values[0]; name {
		case "dry_run":
			opts.DryRun, err = parseBool(name, value)
		case "restart":
			opts.Restart, err = parseBool(name, value)
		case "verify":
			opts.Verify, err = parseBool(name, value)
		case "rate":
			opts.Rate, err = parseRate(value)
		default:
			err = storage.Errorf(storage.CodeInvalidArgument, "a repair has no parameter %q; it has dry_run, restart, verify and rate", name)
		}
		if err != nil {
			return opts, err
		}
	}
	return opts, nil
}

func parseRate(value string) (float64, error) {
	rate, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(rate) || math.IsInf(rate, 0) {
		return 0, storage.Errorf(storage.CodeInvalidArgument, "rate %q is not a number of keys per second", value)
	}
	return rate, nil
}
