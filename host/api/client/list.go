package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

type listing struct {
	Objects        []listedObject `json:"objects"`
	Prefixes       []string       `json:"prefixes"`
	NextToken      string         `json:"next_token"`
	Partial        bool           `json:"partial"`
	FailedBackends []string       `json:"failed_backends"`
}

type listedObject struct {
	Key         string            `json:"key"`
	Size        int64             `json:"size"`
	ETag        string            `json:"etag"`
	ContentType string            `json:"content_type"`
	ModTime     time.Time         `json:"mod_time"`
	ExpiresAt   time.Time         `json:"expires_at"`
	CRC32C      string            `json:"crc32c"`
	Metadata    map[string]string `json:"metadata"`
}

// List implements storage.Backend.
func (c *Client) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	cl := &call{
		op: "list", method: http.MethodGet, session: opts.Session, header: make(http.Header),
		path: listPath, escaped: listPath, query: listQuery(opts),
	}
	cl.setFreshness(opts.Consistency)
	var doc listing
	if err := c.document(ctx, cl, &doc); err != nil {
		return storage.Page{}, err
	}
	page := storage.Page{
		Prefixes: doc.Prefixes, NextToken: doc.NextToken, Partial: doc.Partial, FailedBackends: doc.FailedBackends,
		Objects: make([]storage.Object, 0, len(doc.Objects)),
	}
	for _, l := range doc.Objects {
		crc, err := strconv.ParseUint(l.CRC32C, 16, 32)
		if err != nil {
			return storage.Page{}, storage.Annotate(malformed("the checksum of %q is %q", l.Key, l.CRC32C), "list", "")
		}
		page.Objects = append(page.Objects, storage.Object{
			Key: l.Key, Size: l.Size, ETag: l.ETag, ContentType: l.ContentType, Metadata: l.Metadata,
			ModTime: l.ModTime, ExpiresAt: l.ExpiresAt, CRC32C: uint32(crc),
		})
	}
	return page, nil
}

func listQuery(opts storage.ListOptions) string {
	query := url.Values{"full": {"true"}}
	for name, value := range map[string]string{"prefix": opts.Prefix, "delimiter": opts.Delimiter, "token": opts.Token} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if opts.Limit > 0 {
		query.Set("limit", strconv.Itoa(opts.Limit))
	}
	if opts.AllowPartial {
		query.Set("partial", "true")
	}
	return query.Encode()
}

// document performs the call and decodes its JSON answer.
func (c *Client) document(ctx context.Context, cl *call, into any) error {
	resp, err := c.send(ctx, cl)
	if err != nil {
		return err
	}
	defer discard(resp)
	body := &answerBody{io.NopCloser(io.LimitReader(resp.Body, maxDocumentBytes)), ctx.Err}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		if code := storage.CodeOf(err); code != storage.CodeInternal { // of the connection
			return storage.Annotate(err, cl.op, "")
		}
		return storage.Annotate(malformed("it cannot be decoded: %w", err), cl.op, "")
	}
	return nil
}
