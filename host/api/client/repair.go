package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// RepairOptions modify [Client.Repair].
type RepairOptions struct {
	// DryRun compares and changes nothing; Restart begins with the first key,
	// not where an interrupted repair ended; Verify also compares the values.
	DryRun, Restart, Verify bool
	// Rate is how many keys are compared per second at most: 0 leaves it to the
	// host, a negative one sets no limit.
	Rate float64
	// Progress is given a report now and then, as JSON. It may be nil.
	Progress func(report json.RawMessage)
}

const repairPath = "/v1/repair/"

// repairLine is a line of the answer.
type repairLine struct {
	Progress json.RawMessage `json:"progress"`
	Report   json.RawMessage `json:"report"`
	Error    *problem        `json:"error"`
}

// Repair makes the copies that a policy of the host keeps equal, and returns its
// report as JSON, with an error also that of a repair that ended before its
// time. When ctx ends or the connection breaks, the repair does, and the next
// one goes on from there. A policy that cannot be repaired is NotFound, and one
// that is being repaired already Aborted.
func (c *Client) Repair(ctx context.Context, policy string, opts RepairOptions) (json.RawMessage, error) {
	cl := &call{
		op: "repair", method: http.MethodPost, header: make(http.Header),
		path: repairPath + policy, escaped: repairPath + url.PathEscape(policy), query: repairQuery(opts),
	}
	resp, err := c.send(ctx, cl)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() // reading the rest would be waiting for the end of the repair
	last, err := followRepair(&answerBody{resp.Body, ctx.Err}, opts.Progress)
	if err == nil && last.Error != nil {
		err = last.Error.asError()
	}
	return last.Report, storage.Annotate(err, "repair", "")
}

// followRepair returns the line that ends the answer.
func followRepair(body io.Reader, progress func(json.RawMessage)) (repairLine, error) {
	lines := json.NewDecoder(body)
	for {
		var line repairLine
		err := lines.Decode(&line)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return line, storage.Errorf(storage.CodeUnavailable, "the answer broke off; the next repair goes on from there")
		case err != nil:
			if storage.CodeOf(err) != storage.CodeInternal { // of the connection
				return line, err
			}
			return line, malformed("it cannot be decoded: %w", err)
		case line.Report != nil || line.Error != nil:
			return line, nil
		}
		if progress != nil && line.Progress != nil {
			progress(line.Progress)
		}
	}
}

func repairQuery(opts RepairOptions) string {
	query := url.Values{}
	for name, set := range map[string]bool{"dry_run": opts.DryRun, "restart": opts.Restart, "verify": opts.Verify} {
		if set {
			query.Set(name, "true")
		}
	}
	if opts.Rate != 0 {
		query.Set("rate", strconv.FormatFloat(opts.Rate, 'f', -1, 64))
	}
	return query.Encode()
}
