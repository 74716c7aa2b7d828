package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func objectToProto(o storage.Object) *storagev1.Object {
	return &storagev1.Object{
		Key: o.Key, Size: o.Size, Etag: o.ETag, ContentType: o.ContentType, Metadata: o.Metadata,
		ModTime: timeToProto(o.ModTime), ExpiresAt: timeToProto(o.ExpiresAt), Crc32C: o.CRC32C,
	}
}

func objectFromProto(o *storagev1.Object) storage.Object {
	return storage.Object{
		Key: o.GetKey(), Size: o.GetSize(), ETag: o.GetEtag(), ContentType: o.GetContentType(), Metadata: o.GetMetadata(),
		ModTime: timeFromProto(o.GetModTime()), ExpiresAt: timeFromProto(o.GetExpiresAt()), CRC32C: o.GetCrc32C(),
	}
}

func timeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeFromProto(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func durationToProto(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func conditionToProto(c storage.Condition) *storagev1.Condition {
	switch c.Kind {
	case storage.ConditionAbsent:
		return &storagev1.Condition{Condition: &storagev1.Condition_Absent{Absent: true}}
	case storage.ConditionExists:
		return &storagev1.Condition{Condition: &storagev1.Condition_Exists{Exists: true}}
	case storage.ConditionETag:
		return &storagev1.Condition{Condition: &storagev1.Condition_Etag{Etag: c.ETag}}
	case storage.ConditionNone:
		return nil
	default:
		return &storagev1.Condition{}
	}
}

// conditionFromProto keeps a malformed condition malformed, so that validation
// refuses it: a condition is never dropped.
func conditionFromProto(c *storagev1.Condition) storage.Condition {
	if c == nil {
		return storage.Condition{}
	}
	switch c := c.Condition.(type) {
	case *storagev1.Condition_Absent:
		if c.Absent {
			return storage.IfAbsent()
		}
	case *storagev1.Condition_Exists:
		if c.Exists {
			return storage.IfExists()
		}
	case *storagev1.Condition_Etag:
		return storage.IfETag(c.Etag)
	}
	return storage.Condition{Kind: invalidKind}
}

// invalidKind is no kind of condition or range.
const invalidKind = 255

func rangeToProto(r storage.Range) *storagev1.Range {
	switch r.Kind {
	case storage.RangeSpan:
		return &storagev1.Range{Range: &storagev1.Range_Span_{Span: &storagev1.Range_Span{Offset: r.Offset, Length: r.Length}}}
	case storage.RangeSuffix:
		return &storagev1.Range{Range: &storagev1.Range_Suffix{Suffix: r.Length}}
	case storage.RangeWhole:
		return nil
	default:
		return &storagev1.Range{}
	}
}

func rangeFromProto(r *storagev1.Range) storage.Range {
	if r == nil {
		return storage.Range{}
	}
	switch r := r.Range.(type) {
	case *storagev1.Range_Span_:
		return storage.RangeOf(r.Span.GetOffset(), r.Span.GetLength())
	case *storagev1.Range_Suffix:
		return storage.RangeLast(r.Suffix)
	default:
		return storage.Range{Kind: invalidKind}
	}
}

func putOptionsToProto(o storage.PutOptions) *storagev1.PutOptions {
	return &storagev1.PutOptions{
		Condition: conditionToProto(o.If), ContentType: o.ContentType, Metadata: o.Metadata, Ttl: durationToProto(o.TTL),
	}
}

func putOptionsFromProto(o *storagev1.PutOptions) storage.PutOptions {
	return storage.PutOptions{
		If: conditionFromProto(o.GetCondition()), ContentType: o.GetContentType(), Metadata: o.GetMetadata(), TTL: o.GetTtl().AsDuration(),
	}
}

func tristateToProto(t storage.Tristate) storagev1.Tristate { return storagev1.Tristate(t) }

func tristateFromProto(t storagev1.Tristate) storage.Tristate {
	if t < 0 || t > storagev1.Tristate_TRISTATE_YES {
		return storage.Unknown
	}
	return storage.Tristate(t)
}

func consistencyToProto(c storage.Consistency) storagev1.Consistency {
	return storagev1.Consistency(c)
}

// consistencyFromProto keeps unknown levels unknown.
func consistencyFromProto(c storagev1.Consistency) storage.Consistency {
	if c < 0 || c > storagev1.Consistency_CONSISTENCY_STRONG {
		return storage.Consistency(invalidKind)
	}
	return storage.Consistency(c)
}

func capabilitiesToProto(c storage.Capabilities) *storagev1.Capabilities {
	p := &storagev1.Capabilities{
		ConditionalPut: c.ConditionalPut, ConditionalDelete: c.ConditionalDelete, Ttl: c.TTL,
		Batch: c.Batch, AtomicBatch: c.AtomicBatch, Watch: c.Watch, WatchLatency: durationToProto(c.WatchLatency),
		Transactions: c.Transactions, Copy: c.Copy, HealthCheck: c.HealthCheck, Durable: c.Durable, Exclusive: c.Exclusive,
		MaxValueSize: c.MaxValueSize,
	}
	for _, level := range c.Consistency.Levels() {
		p.Consistency = append(p.Consistency, consistencyToProto(level))
	}
	return p
}

func capabilitiesFromProto(p *storagev1.Capabilities) storage.Capabilities {
	c := storage.Capabilities{
		ConditionalPut: p.GetConditionalPut(), ConditionalDelete: p.GetConditionalDelete(), TTL: p.GetTtl(),
		Batch: p.GetBatch(), AtomicBatch: p.GetAtomicBatch(), Watch: p.GetWatch(), WatchLatency: p.GetWatchLatency().AsDuration(),
		Transactions: p.GetTransactions(), Copy: p.GetCopy(), HealthCheck: p.GetHealthCheck(), Durable: p.GetDurable(), Exclusive: p.GetExclusive(),
		MaxValueSize: max(0, p.GetMaxValueSize()),
	}
	for _, level := range p.GetConsistency() {
		if l := consistencyFromProto(level); l <= storage.ConsistencyStrong {
			c.Consistency |= storage.ConsistencyLevels(l)
		}
	}
	return c
}

// sessionToProto returns the token to send, nil for no session.
func sessionToProto(s *storage.Session) *string {
	if s == nil {
		return nil
	}
	token := s.Token()
	return &token
}

// sessionFromProto opens the session a request carries, nil for none.
func sessionFromProto(token *string) (*storage.Session, error) {
	if token == nil {
		return nil, nil
	}
	s := new(storage.Session)
	if err := s.Merge(*token); err != nil {
		return nil, err
	}
	return s, nil
}

func sessionToken(s *storage.Session) string {
	if s == nil {
		return ""
	}
	return s.Token()
}

// mergeSession adds what the server's answer says to the caller's session.
func mergeSession(s *storage.Session, token string) {
	if s != nil {
		_ = s.Merge(token) // a server that sends nonsense teaches the session nothing
	}
}
