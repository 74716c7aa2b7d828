package storage

// Condition is what must hold for a write to happen: exactly one of nothing,
// absence, existence, or a certain etag. It is evaluated atomically with the
// commit; if it fails, the write does not happen and the error is
// FailedPrecondition with the current etag in [Error].Current (empty when the
// key is absent). An expired object counts as absent.
type Condition struct {
	Kind ConditionKind
	// ETag is used with ConditionETag only.
	ETag string
}

// ConditionKind names the kinds of a [Condition].
type ConditionKind uint8

// The kinds of a condition.
const (
	ConditionNone ConditionKind = iota
	ConditionAbsent
	ConditionExists
	ConditionETag
)

// IfAbsent holds while no live object has the key.
func IfAbsent() Condition { return Condition{Kind: ConditionAbsent} }

// IfExists holds while a live object has the key.
func IfExists() Condition { return Condition{Kind: ConditionExists} }

// IfETag holds while the object has this etag. An empty etag is
// InvalidArgument when the condition is used.
func IfETag(etag string) Condition { return Condition{Kind: ConditionETag, ETag: etag} }

// IsNone reports whether c asks for nothing.
func (c Condition) IsNone() bool { return c.Kind == ConditionNone }

// Check evaluates c against the current state of a key: its etag, or "" if no
// live object has it. The result is nil or FailedPrecondition. A backend calls
// it under whatever makes its commit atomic.
func (c Condition) Check(currentETag string) error {
	var reason string
	switch {
	case c.Kind == ConditionAbsent && currentETag != "":
		reason = "the object exists"
	case c.Kind == ConditionExists && currentETag == "":
		reason = "the object does not exist"
	case c.Kind == ConditionETag && currentETag == "":
		reason = "the object does not exist"
	case c.Kind == ConditionETag && currentETag != c.ETag:
		reason = "the object has another etag"
	default:
		return nil
	}
	return &Error{Code: CodeFailedPrecondition, Current: currentETag, Err: text(reason)}
}

// Validate reports a malformed condition as InvalidArgument.
func (c Condition) Validate() error {
	switch c.Kind {
	case ConditionNone, ConditionAbsent, ConditionExists:
		if c.ETag != "" {
			return Errorf(CodeInvalidArgument, "a condition that is not about an etag carries one")
		}
		return nil
	case ConditionETag:
		return ValidateETag(c.ETag)
	default:
		return Errorf(CodeInvalidArgument, "condition of unknown kind %d", c.Kind)
	}
}
