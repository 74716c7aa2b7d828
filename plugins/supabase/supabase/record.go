package supabase

import (
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// record is an object as the functions get and list describe it. Times are in
// microseconds since 1970.
type record struct {
	Key         string            `json:"key"` // by list only
	Version     string            `json:"version"`
	Size        int64             `json:"size"`
	CRC32C      uint32            `json:"crc32c"`
	ContentType string            `json:"content_type"`
	Metadata    map[string]string `json:"metadata"`
	ModifiedAt  int64             `json:"modified_at"`
	ExpiresAt   int64             `json:"expires_at"`
}

func (r *record) object(key string) storage.Object {
	o := storage.Object{
		Key: key, Size: r.Size, ETag: r.Version, ContentType: r.ContentType,
		ModTime: time.UnixMicro(r.ModifiedAt), CRC32C: r.CRC32C, ExpiresAt: expiry(r.ExpiresAt),
	}
	if len(r.Metadata) > 0 {
		o.Metadata = r.Metadata
	}
	return o
}

func expiry(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros)
}

// readItem is what the function get is asked for each key.
type readItem struct {
	Key    string `json:"k"`
	Value  bool   `json:"v,omitzero"`
	Offset int64  `json:"o,omitzero"`
	Length *int64 `json:"n,omitzero"`
	Suffix *int64 `json:"s,omitzero"`
	ETag   string `json:"e,omitzero"`
}

func (i *readItem) selectRange(r storage.Range) {
	switch r.Kind {
	case storage.RangeSpan:
		i.Offset, i.Length = r.Offset, &r.Length
	case storage.RangeSuffix:
		i.Suffix = &r.Length
	}
}

// readResult is what it answers.
type readResult struct {
	record
	Missing bool   `json:"missing"`
	Changed string `json:"changed"`
	Object  string `json:"object"`
	Offset  int64  `json:"offset"`
	Length  int64  `json:"length"`
	Later   bool   `json:"later"`
	Value   []byte `json:"value"`
}

// err is what the answer means where there is no object to return.
func (r *readResult) err() error {
	switch {
	case r.Missing:
		return storage.Errorf(storage.CodeNotFound, "there is no such object")
	case r.Changed != "":
		e := storage.Errorf(storage.CodeFailedPrecondition, "the object has another etag")
		e.Current = r.Changed
		return e
	case r.Length < 0:
		return storage.Errorf(storage.CodeOutOfRange, "the range begins beyond the %d bytes of the value", r.Size)
	default:
		return nil
	}
}

// writeResult is what put, delete and batch answer.
type writeResult struct {
	OK         bool         `json:"ok"`
	Reason     string       `json:"reason"`
	ETag       string       `json:"etag"` // with the reasons condition and aborted
	Key        string       `json:"key"`
	Version    string       `json:"version"`
	Created    bool         `json:"created"`
	Existed    bool         `json:"existed"`
	ModifiedAt int64        `json:"modified_at"`
	ExpiresAt  int64        `json:"expires_at"`
	Results    []stepResult `json:"results"`
}

// recorded reports whether the database remembers the request: it does if the
// request changed something.
func (r *writeResult) recorded() bool {
	changed := r.OK && (r.Version != "" || r.Existed)
	for i := range r.Results {
		step := &r.Results[i]
		changed = changed || r.OK && step.OK != nil && *step.OK && (step.Version != "" || step.Existed)
	}
	return changed
}

// The reasons for which a write is refused.
const (
	reasonStale     = "stale"     // the writer has begun a new epoch
	reasonCondition = "condition" // it did not hold
	reasonCondemned = "condemned" // the object was taken for an orphan
	reasonAborted   = "aborted"   // a check of a transaction did not hold
	reasonFailed    = "failed"    // an operation of an atomic batch failed
	reasonRoom      = "room"      // no room for the value a batch reads
)

// condition spells a condition for the functions.
func condition(c storage.Condition) (kind, etag string) {
	switch c.Kind {
	case storage.ConditionAbsent:
		return "absent", ""
	case storage.ConditionExists:
		return "exists", ""
	case storage.ConditionETag:
		return "etag", c.ETag
	default:
		return "none", ""
	}
}

// refused is the error of a condition that does not hold for a key with the
// etag current, "" if it is absent.
func refused(c storage.Condition, current string) error {
	if err := c.Check(current); err != nil {
		return err
	}
	return storage.Errorf(storage.CodeInternal, "the project refused a condition that holds for the etag %q", strings.ToValidUTF8(current, ""))
}
