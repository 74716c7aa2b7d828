package storage

import (
	"encoding/base64"
	"strings"
)

// ListPosition is the place in a listing where a page ended: after a key, or
// after all keys that begin with a common prefix. Backends that keep keys in
// order encode it as their continuation token.
type ListPosition struct {
	// After is the last key or common prefix of the page.
	After string
	// IsPrefix: After is a common prefix.
	IsPrefix bool
}

// Token encodes p. The result is URL-safe.
func (p ListPosition) Token() string {
	kind := "k"
	if p.IsPrefix {
		kind = "p"
	}
	return base64.RawURLEncoding.EncodeToString([]byte("1" + kind + p.After))
}

// ParseListToken decodes a token made by Token. The empty token is the
// beginning of a listing; anything else that is not a token is
// InvalidArgument.
func ParseListToken(token string) (ListPosition, error) {
	if token == "" {
		return ListPosition{}, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < 3 || raw[0] != '1' || raw[1] != 'k' && raw[1] != 'p' {
		return ListPosition{}, badToken()
	}
	p := ListPosition{After: string(raw[2:]), IsPrefix: raw[1] == 'p'}
	if ValidateKey(p.After) != nil || p.Token() != token { // base64 ignores line breaks
		return ListPosition{}, badToken()
	}
	return p, nil
}

func badToken() error {
	return Errorf(CodeInvalidArgument, "the continuation token is not one of this listing; begin again without a token")
}

// Covers reports whether key was dealt with on or before the page that ended
// at p: a listing goes on with the first key that is not covered.
func (p ListPosition) Covers(key string) bool {
	if p.IsPrefix && strings.HasPrefix(key, p.After) {
		return true
	}
	return p.After != "" && key <= p.After
}

// CommonPrefix returns what a listing with the given prefix and delimiter
// rolls key up into, and false if the key stands for itself.
func CommonPrefix(key, prefix, delimiter string) (string, bool) {
	if delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i+len(delimiter)], true
}
