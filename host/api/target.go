package api

import (
	"net/url"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// objectPath begins the path of every object. The rest is the key, percent
// encoded.
const objectPath = "/v1/objects/"

// decodeKey decodes a key once and takes it as it is.
func decodeKey(escaped string) (string, error) {
	key, err := url.PathUnescape(escaped)
	if err != nil {
		return "", storage.Errorf(storage.CodeInvalidArgument, "the key is not percent-encoded: %w", err)
	}
	if key == "" {
		return "", storage.Errorf(storage.CodeInvalidArgument, "the key is empty; the listing is at /v1/objects, without the slash")
	}
	return key, storage.ValidateKey(key)
}
