package storage

import "fmt"

// Code classifies an [Error]. The set is closed: layers decide by it what to
// retry, what to fail over and what to count against a backend. A Code is
// itself an error, so that errors.Is(err, storage.ErrNotFound) holds for any
// error that carries the code.
type Code uint8

// The codes of an error, in the words of the gRPC status they travel as.
const (
	// CodeInternal is a fault of the backend itself: a bug, a panic.
	CodeInternal Code = iota
	// CodeNotFound: no live object has the key, and every backend that could
	// hold it said so.
	CodeNotFound
	// CodeFailedPrecondition: the condition did not hold; see Error.Current.
	CodeFailedPrecondition
	// CodeAborted: a transaction lost against another; begin anew.
	CodeAborted
	// CodeInvalidArgument: the call itself is wrong.
	CodeInvalidArgument
	// CodeOutOfRange: a range begins beyond the end of the value.
	CodeOutOfRange
	// CodeUnimplemented: the backend cannot do this, ever.
	CodeUnimplemented
	// CodeThrottled: too many requests; try again after Error.RetryAfter.
	CodeThrottled
	// CodeQuotaExceeded: no room; trying again does not help.
	CodeQuotaExceeded
	// CodeTooLarge: the value is larger than the backend takes.
	CodeTooLarge
	// CodeUnavailable: the backend is down, crashed or starting.
	CodeUnavailable
	// CodeDeadlineExceeded: time ran out.
	CodeDeadlineExceeded
	// CodeCanceled: the caller gave up.
	CodeCanceled
	// CodeDataLoss: stored bytes are damaged or gone.
	CodeDataLoss
	// CodeUnauthenticated: no or wrong credentials.
	CodeUnauthenticated
	// CodePermissionDenied: the credentials do not suffice.
	CodePermissionDenied
)

// Sentinels for errors.Is. Each stands for all errors of its code.
var (
	ErrInternal           error = CodeInternal
	ErrNotFound           error = CodeNotFound
	ErrFailedPrecondition error = CodeFailedPrecondition
	ErrAborted            error = CodeAborted
	ErrInvalidArgument    error = CodeInvalidArgument
	ErrOutOfRange         error = CodeOutOfRange
	ErrUnimplemented      error = CodeUnimplemented
	ErrThrottled          error = CodeThrottled
	ErrQuotaExceeded      error = CodeQuotaExceeded
	ErrTooLarge           error = CodeTooLarge
	ErrUnavailable        error = CodeUnavailable
	ErrDeadlineExceeded   error = CodeDeadlineExceeded
	ErrCanceled           error = CodeCanceled
	ErrDataLoss           error = CodeDataLoss
	ErrUnauthenticated    error = CodeUnauthenticated
	ErrPermissionDenied   error = CodePermissionDenied
)

// properties of a code; see the table at [Code.Transient].
type codeTraits struct {
	name, text           string
	transient, unhealthy bool
}

func (c Code) traits() codeTraits {
	switch c {
	case CodeInternal:
		return codeTraits{"Internal", "internal error", false, true}
	case CodeNotFound:
		return codeTraits{"NotFound", "not found", false, false}
	case CodeFailedPrecondition:
		return codeTraits{"FailedPrecondition", "condition failed", false, false}
	case CodeAborted:
		return codeTraits{"Aborted", "transaction aborted", false, false}
	case CodeInvalidArgument:
		return codeTraits{"InvalidArgument", "invalid argument", false, false}
	case CodeOutOfRange:
		return codeTraits{"OutOfRange", "out of range", false, false}
	case CodeUnimplemented:
		return codeTraits{"Unimplemented", "not supported", false, false}
	case CodeThrottled:
		return codeTraits{"Throttled", "throttled", true, true}
	case CodeQuotaExceeded:
		return codeTraits{"QuotaExceeded", "quota exceeded", false, false}
	case CodeTooLarge:
		return codeTraits{"TooLarge", "value too large", false, false}
	case CodeUnavailable:
		return codeTraits{"Unavailable", "unavailable", true, true}
	case CodeDeadlineExceeded:
		return codeTraits{"DeadlineExceeded", "deadline exceeded", true, true}
	case CodeCanceled:
		return codeTraits{"Canceled", "canceled", false, false}
	case CodeDataLoss:
		return codeTraits{"DataLoss", "data loss", false, true}
	case CodeUnauthenticated:
		return codeTraits{"Unauthenticated", "unauthenticated", false, false}
	case CodePermissionDenied:
		return codeTraits{"PermissionDenied", "permission denied", false, false}
	default:
		return codeTraits{fmt.Sprintf("Code(%d)", uint8(c)), "unknown error", false, true}
	}
}

// String returns the code's name, such as "NotFound".
func (c Code) String() string { return c.traits().name }

// Error makes a Code usable as the target of errors.Is.
func (c Code) Error() string { return c.traits().text }

// Transient reports whether the same operation may succeed on the same
// backend a little later: Throttled, Unavailable and DeadlineExceeded.
func (c Code) Transient() bool { return c.traits().transient }

// Unhealthy reports whether the code speaks against the backend and counts
// towards its circuit breaker: Throttled, Unavailable, DeadlineExceeded,
// DataLoss and Internal.
func (c Code) Unhealthy() bool { return c.traits().unhealthy }
