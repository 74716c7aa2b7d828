package storage

import (
	"strings"
	"unicode/utf8"
)

// ReservedMetadataPrefix begins the names of metadata entries that belong to
// Stowage itself. Callers may not use it; backends store such entries like any
// other.
const ReservedMetadataPrefix = "stowage-"

// ValidateKey reports a key that breaks the rules as InvalidArgument. A key is
// 1 to [MaxKeyBytes] bytes of valid UTF-8 without NUL. It is never normalised,
// trimmed or interpreted: "..", "//", "\", control characters, a leading or a
// trailing "/" are ordinary, and "a" and "a/b" coexist.
func ValidateKey(key string) error {
	if key == "" {
		return Errorf(CodeInvalidArgument, "the key is empty")
	}
	return validateKeyText("key", key)
}

// ValidatePrefix is ValidateKey for a prefix or delimiter, which may be empty.
func ValidatePrefix(prefix string) error { return validateKeyText("prefix", prefix) }

func validateKeyText(what, s string) error {
	switch {
	case len(s) > MaxKeyBytes:
		return Errorf(CodeInvalidArgument, "the %s has %d bytes; at most %d are allowed", what, len(s), MaxKeyBytes)
	case !utf8.ValidString(s):
		return Errorf(CodeInvalidArgument, "the %s is not valid UTF-8", what)
	case strings.IndexByte(s, 0) >= 0:
		return Errorf(CodeInvalidArgument, "the %s contains a NUL byte", what)
	}
	return nil
}

// ValidateETag reports an etag that cannot be one as InvalidArgument.
func ValidateETag(etag string) error {
	switch {
	case etag == "":
		return Errorf(CodeInvalidArgument, "the etag is empty")
	case len(etag) > MaxETagBytes:
		return Errorf(CodeInvalidArgument, "the etag has %d bytes; at most %d are allowed", len(etag), MaxETagBytes)
	}
	for i := range len(etag) {
		if c := etag[i]; c <= ' ' || c > '~' || c == '"' {
			return Errorf(CodeInvalidArgument, "the etag holds the byte 0x%02x; visible ASCII without '\"' is allowed", c)
		}
	}
	return nil
}

// ValidateContentType reports a content type that is too long or not visible
// ASCII and inner spaces as InvalidArgument. Empty is allowed.
func ValidateContentType(contentType string) error {
	if len(contentType) > MaxContentTypeBytes {
		return Errorf(CodeInvalidArgument, "the content type has %d bytes; at most %d are allowed", len(contentType), MaxContentTypeBytes)
	}
	if !headerText(contentType) {
		return Errorf(CodeInvalidArgument, "the content type may hold only visible ASCII and inner spaces")
	}
	return nil
}

// ValidateMetadata reports metadata that a backend need not accept as
// InvalidArgument: names are lower-case letters, digits, '-', '_' and '.',
// begin with a letter or digit; values are visible ASCII with inner spaces, so
// that they travel unchanged as HTTP headers; names and values together are at
// most [MaxBackendMetadataBytes].
func ValidateMetadata(metadata map[string]string) error {
	return validateMetadata(metadata, MaxBackendMetadataBytes, true)
}

// ValidateCallerMetadata is ValidateMetadata for what a caller gives: at most
// [MaxMetadataBytes], and no name with the [ReservedMetadataPrefix].
func ValidateCallerMetadata(metadata map[string]string) error {
	return validateMetadata(metadata, MaxMetadataBytes, false)
}

func validateMetadata(metadata map[string]string, limit int, reserved bool) error {
	total := 0
	for name, value := range metadata {
		total += len(name) + len(value)
		if !metadataName(name) {
			return Errorf(CodeInvalidArgument, "metadata name %q: lower-case letters, digits, '-', '_' and '.' are allowed, beginning with a letter or digit", name)
		}
		if !reserved && strings.HasPrefix(name, ReservedMetadataPrefix) {
			return Errorf(CodeInvalidArgument, "metadata name %q: names beginning with %q are reserved", name, ReservedMetadataPrefix)
		}
		if !headerText(value) {
			return Errorf(CodeInvalidArgument, "metadata %q: the value may hold only visible ASCII and inner spaces", name)
		}
	}
	if total > limit {
		return Errorf(CodeInvalidArgument, "the metadata has %d bytes of names and values; at most %d are allowed", total, limit)
	}
	return nil
}

func metadataName(name string) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case i > 0 && (c == '-' || c == '_' || c == '.'):
		default:
			return false
		}
	}
	return name != ""
}

// headerText reports whether s survives a round trip as an HTTP header value.
func headerText(s string) bool {
	if s != "" && (s[0] == ' ' || s[len(s)-1] == ' ') {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
