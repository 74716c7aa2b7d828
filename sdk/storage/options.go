package storage

import "time"

// GetOptions modify Get. The zero value reads the whole current value.
type GetOptions struct {
	// Range selects a part of the value; the zero Range is all of it.
	Range Range
	// IfMatch, when not empty, pins the read to the version with this etag;
	// any other version is FailedPrecondition with the current etag, a missing
	// key NotFound. It makes a resumed read safe.
	IfMatch string
	// Consistency asks for more, or is content with less, than the default.
	Consistency Consistency
	// Session carries what the caller has seen; see [Session]. Nil: none.
	Session *Session
	// SharedMetadata is the caller's promise that it does not change the metadata
	// of the object it is given, so that a backend may share its own. Without it
	// the metadata is the caller's. It does not cross a process boundary.
	SharedMetadata bool
}

// PutOptions modify Put. The zero value stores unconditionally and for ever.
type PutOptions struct {
	// If is evaluated atomically at the commit.
	If Condition
	// ContentType is kept with the object: at most [MaxContentTypeBytes] of
	// visible ASCII and spaces.
	ContentType string
	// Metadata is kept with the object; see [ValidateMetadata]. The backend
	// does not keep the map.
	Metadata map[string]string
	// TTL is the time the object lives from the commit on. 0 means no expiry,
	// a negative TTL is InvalidArgument, as is one over [MaxTTL].
	TTL time.Duration
	// SizeHint is the expected size of the body in bytes; 0 means unknown. It
	// chooses strategies and buffers and is not checked: a body that breaks
	// off must end in an error, not in io.EOF.
	SizeHint int64
	// Consistency and Session are as in GetOptions. On a write they matter for
	// what the session remembers.
	Consistency Consistency
	Session     *Session
}

// StatOptions modify Stat.
type StatOptions struct {
	// IfMatch is as in GetOptions.
	IfMatch     string
	Consistency Consistency
	Session     *Session
}

// DeleteOptions modify Delete.
type DeleteOptions struct {
	// If is evaluated atomically at the commit. IfAbsent makes no sense here
	// and is InvalidArgument.
	If          Condition
	Consistency Consistency
	Session     *Session
}

// ListOptions select a page of a listing.
type ListOptions struct {
	// Prefix restricts the listing to keys that begin with it.
	Prefix string
	// Delimiter, when not empty, rolls up all keys that contain it after the
	// prefix into one common prefix, which ends with the delimiter.
	Delimiter string
	// Limit bounds objects and common prefixes of the page together. 0 means
	// [DefaultListLimit]; over [MaxListLimit] or negative is InvalidArgument.
	// A page may be shorter than its limit without being the last.
	Limit int
	// Token continues a listing: the NextToken of the page before. The page
	// begins strictly after the last entry of that page, whatever was inserted
	// or deleted meanwhile. Prefix and Delimiter must be the same. A token that
	// is not one is InvalidArgument.
	Token string
	// AllowPartial lets a backend made of several answer without those that
	// failed, and name them in the page. Without it the listing is complete or
	// an error.
	AllowPartial bool
	Consistency  Consistency
	Session      *Session
}

// Page is one page of a listing. Objects and Prefixes are each in bytewise
// ascending order; NextToken is empty on the last page.
type Page struct {
	Objects   []Object
	Prefixes  []string
	NextToken string
	// Partial is set, and FailedBackends names those that did not answer, only
	// if AllowPartial was asked for.
	Partial        bool
	FailedBackends []string
}

// PutResult is what Put returns.
type PutResult struct {
	// Object as it was committed.
	Object Object
	// Created is Yes if no live object had the key before, No if one was
	// replaced, Unknown if the backend cannot tell (after a retry, say).
	Created Tristate
}

// Deleted is what Delete returns.
type Deleted struct {
	// Existed is Yes if a live object was removed.
	Existed Tristate
}

// Tristate is yes, no or unknown.
type Tristate uint8

// The values of a Tristate.
const (
	Unknown Tristate = iota
	No
	Yes
)

// TristateOf converts a known answer.
func TristateOf(yes bool) Tristate {
	if yes {
		return Yes
	}
	return No
}

// String returns "unknown", "no" or "yes".
func (t Tristate) String() string {
	switch t {
	case No:
		return "no"
	case Yes:
		return "yes"
	default:
		return "unknown"
	}
}

// Limits that hold for every backend.
const (
	// MaxKeyBytes is the longest key.
	MaxKeyBytes = 1024
	// MaxETagBytes is the longest etag.
	MaxETagBytes = 256
	// MaxContentTypeBytes is the longest content type.
	MaxContentTypeBytes = 256
	// MaxMetadataBytes bounds the names and values a caller may give,
	// together, in bytes.
	MaxMetadataBytes = 2 << 10
	// MaxBackendMetadataBytes is what a backend accepts, so that reserved
	// entries fit beside the caller's.
	MaxBackendMetadataBytes = 4 << 10
	// MaxTTL is the longest TTL: 100 years of 365 days.
	MaxTTL = 100 * 365 * 24 * time.Hour
	// DefaultListLimit is the Limit of a listing that names none.
	DefaultListLimit = 1000
	// MaxListLimit is the highest Limit of a listing.
	MaxListLimit = 10_000
	// MaxTokenBytes is the longest continuation token, cursor or session
	// token, in bytes.
	MaxTokenBytes = 64 << 10
)
