package api

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// listing is the JSON document of a page.
type listing struct {
	Objects        []listedObject `json:"objects"`
	Prefixes       []string       `json:"prefixes"`
	NextToken      string         `json:"next_token"`
	Partial        bool           `json:"partial,omitempty"`
	FailedBackends []string       `json:"failed_backends,omitempty"`
}

type listedObject struct {
	Key         string     `json:"key"`
	Size        int64      `json:"size"`
	ETag        string     `json:"etag"`
	ContentType string     `json:"content_type"`
	ModTime     time.Time  `json:"mod_time"`
	ExpiresAt   *time.Time `json:"expires_at"` // null: never
	*listedDetail
}

// listedDetail is what full=true adds.
type listedDetail struct {
	CRC32C   string            `json:"crc32c"`
	Metadata map[string]string `json:"metadata"`
}

func (h *handler) list(w *response, r *http.Request) {
	f, err := parseFreshness(r.Header)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	opts, full, err := parseListOptions(r.URL.RawQuery)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	opts.Consistency, opts.Session = f.consistency, f.session
	page, err := h.host.Store().List(r.Context(), opts)
	f.remember(w.Header())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, documentOf(page, full))
}

func documentOf(page storage.Page, full bool) listing {
	doc := listing{
		Objects:        make([]listedObject, 0, len(page.Objects)),
		Prefixes:       append([]string{}, page.Prefixes...),
		NextToken:      page.NextToken,
		Partial:        page.Partial,
		FailedBackends: page.FailedBackends,
	}
	for _, o := range page.Objects {
		listed := listedObject{Key: o.Key, Size: o.Size, ETag: o.ETag, ContentType: o.ContentType, ModTime: o.ModTime.UTC()}
		if !o.ExpiresAt.IsZero() {
			at := o.ExpiresAt.UTC()
			listed.ExpiresAt = &at
		}
		if full {
			listed.listedDetail = &listedDetail{CRC32C: checksum(o.CRC32C), Metadata: callerMetadata(o.Metadata)}
		}
		doc.Objects = append(doc.Objects, listed)
	}
	return doc
}

// parseListOptions reads a query. A parameter that is misspelt or repeated is
// an error rather than a listing of something else.
func parseListOptions(rawQuery string) (opts storage.ListOptions, full bool, err error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return opts, false, storage.Errorf(storage.CodeInvalidArgument, "the query is malformed: %w", err)
	}
	for name, values := range query {
		if len(values) != 1 {
			return opts, false, storage.Errorf(storage.CodeInvalidArgument, "the query has %d times %q", len(values), name)
		}
		switch value := values[0]; name {
		case "prefix":
			opts.Prefix = value
		case "delimiter":
			opts.Delimiter = value
		case "token":
			opts.Token = value
		case "limit":
			opts.Limit, err = parseLimit(value)
		case "partial":
			opts.AllowPartial, err = parseBool(name, value)
		case "full":
			full, err = parseBool(name, value)
		default:
			err = storage.Errorf(storage.CodeInvalidArgument,
				"a listing has no parameter %q; it has prefix, delimiter, limit, token, partial and full", name)
		}
		if err != nil {
			return opts, false, err
		}
	}
	return opts, full, storage.ValidateList(opts)
}

func parseLimit(value string) (int, error) {
	limit, err := strconv.Atoi(value)
	if err != nil || !digits(value) || limit < 1 || limit > storage.MaxListLimit {
		return 0, storage.Errorf(storage.CodeInvalidArgument, "limit %q is not a number from 1 to %d", value, storage.MaxListLimit)
	}
	return limit, nil
}

func parseBool(name, value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, storage.Errorf(storage.CodeInvalidArgument, "%s %q is neither true nor false", name, value)
}
