package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Status returns the document of /v1/status.
func (c *Client) Status(ctx context.Context) (json.RawMessage, error) {
	const path = "/v1/status"
	var doc json.RawMessage
	err := c.document(ctx, &call{op: "status", method: http.MethodGet, path: path, escaped: path, header: make(http.Header)}, &doc)
	return doc, err
}

// Alive returns nil if the host's process answers.
func (c *Client) Alive(ctx context.Context) error { return c.probe(ctx, "/healthz") }

// CheckHealth implements storage.HealthChecker: nil if the host is ready to
// serve, else Unavailable with its reason.
func (c *Client) CheckHealth(ctx context.Context) error { return c.probe(ctx, "/readyz") }

func (c *Client) probe(ctx context.Context, path string) error {
	resp, err := c.send(ctx, &call{op: "health", method: http.MethodGet, path: path, escaped: path, header: make(http.Header)})
	if err != nil {
		return storage.Annotate(err, "health", "")
	}
	discard(resp)
	return nil
}
