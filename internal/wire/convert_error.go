package wire

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// maxErrorText bounds the cause an error carries over the wire, in bytes.
const maxErrorText = 4 << 10

// maxErrorField bounds each of its names, in bytes.
const maxErrorField = 512

// grpcCode is the status code an error code travels as.
func grpcCode(c storage.Code) codes.Code {
	switch c {
	case storage.CodeNotFound:
		return codes.NotFound
	case storage.CodeFailedPrecondition:
		return codes.FailedPrecondition
	case storage.CodeAborted:
		return codes.Aborted
	case storage.CodeInvalidArgument:
		return codes.InvalidArgument
	case storage.CodeOutOfRange:
		return codes.OutOfRange
	case storage.CodeUnimplemented:
		return codes.Unimplemented
	case storage.CodeThrottled, storage.CodeQuotaExceeded, storage.CodeTooLarge:
		return codes.ResourceExhausted
	case storage.CodeUnavailable:
		return codes.Unavailable
	case storage.CodeDeadlineExceeded:
		return codes.DeadlineExceeded
	case storage.CodeCanceled:
		return codes.Canceled
	case storage.CodeDataLoss:
		return codes.DataLoss
	case storage.CodeUnauthenticated:
		return codes.Unauthenticated
	case storage.CodePermissionDenied:
		return codes.PermissionDenied
	default:
		return codes.Internal
	}
}

// codeOfStatus is its inverse for a status without an ErrorDetail.
func codeOfStatus(c codes.Code, retryInfo bool) storage.Code {
	if c == codes.ResourceExhausted {
		if retryInfo {
			return storage.CodeThrottled
		}
		return storage.CodeQuotaExceeded
	}
	for code := storage.CodeInternal; code <= storage.CodePermissionDenied; code++ {
		if grpcCode(code) == c {
			return code
		}
	}
	return storage.CodeInternal
}

func errorToProto(err error) *storagev1.ErrorDetail {
	e := storage.AsError(err)
	d := &storagev1.ErrorDetail{
		Code: storagev1.ErrorCode(e.Code + 1), Op: e.Op, Key: e.Key, Temporary: e.Temporary, RetryAfter: durationToProto(e.RetryAfter),
		CurrentEtag: e.Current, OutcomeUnknown: e.OutcomeUnknown, Retried: e.Retried, Backend: e.Backend, Plugin: e.Plugin,
	}
	if e.Err != nil {
		d.Message = bounded(e.Err.Error(), maxErrorText)
	}
	d.Key = bounded(d.Key, storage.MaxKeyBytes)
	for _, field := range []*string{&d.Op, &d.CurrentEtag, &d.Backend, &d.Plugin} {
		*field = bounded(*field, maxErrorField)
	}
	return d
}

// bounded returns what of s may travel: at most limit bytes, valid UTF-8.
func bounded(s string, limit int) string {
	s = s[:min(len(s), limit)]
	return strings.ToValidUTF8(s, "?")
}

func errorFromProto(d *storagev1.ErrorDetail) error {
	e := &storage.Error{
		Op: d.GetOp(), Key: d.GetKey(), Temporary: d.GetTemporary(), RetryAfter: max(0, d.GetRetryAfter().AsDuration()),
		Current: d.GetCurrentEtag(), OutcomeUnknown: d.GetOutcomeUnknown(), Retried: d.GetRetried(), Backend: d.GetBackend(), Plugin: d.GetPlugin(),
	}
	if c := d.GetCode(); c > 0 && c <= storagev1.ErrorCode_ERROR_CODE_PERMISSION_DENIED {
		e.Code = storage.Code(c - 1)
	}
	if d.GetMessage() != "" {
		e.Err = errors.New(d.GetMessage())
	}
	return e
}

// statusFromError is the status of err: nil for nil.
func statusFromError(err error) error {
	if err == nil {
		return nil
	}
	detail := errorToProto(err)
	s := status.New(grpcCode(storage.CodeOf(err)), bounded(err.Error(), maxErrorText))
	withDetail, detailErr := s.WithDetails(detail)
	if detailErr != nil {
		return s.Err()
	}
	if detail.GetRetryAfter() != nil {
		if withRetry, err := withDetail.WithDetails(&errdetails.RetryInfo{RetryDelay: detail.GetRetryAfter()}); err == nil {
			withDetail = withRetry
		}
	}
	return withDetail.Err()
}

// callError is errorFromStatus for a call of this side. ended tells whether the
// caller's own context is done: a cancellation that is not the caller's is the
// end of the connection, so the plugin is Unavailable.
func callError(ended func() error, err error, op, key string, committed bool) error {
	if s, ok := status.FromError(err); ok && s.Code() == codes.Canceled && len(s.Details()) == 0 && ended() == nil {
		err = status.Error(codes.Unavailable, s.Message())
	}
	return errorFromStatus(err, op, key, committed)
}

// errorFromStatus converts what a call returned. committed says that a write
// was sent whole: then an error that does not come from the other side itself
// leaves its outcome unknown.
func errorFromStatus(err error, op, key string, committed bool) error {
	if err == nil {
		return nil
	}
	var mine *storage.Error
	if errors.As(err, &mine) {
		return storage.Annotate(err, op, key)
	}
	s, ok := status.FromError(err)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		s = status.FromContextError(err)
	case errors.Is(err, io.EOF):
		s = status.New(codes.Unavailable, "the plugin ended the call without an answer")
	case !ok:
		s = status.New(codes.Unavailable, err.Error())
	}
	e := &storage.Error{OutcomeUnknown: committed}
	retryInfo := false
	for _, detail := range s.Details() {
		switch detail := detail.(type) {
		case *storagev1.ErrorDetail:
			return storage.Annotate(errorFromProto(detail), op, key)
		case *errdetails.RetryInfo:
			retryInfo = true
			e.RetryAfter = max(0, detail.GetRetryDelay().AsDuration())
		}
	}
	e.Code = codeOfStatus(s.Code(), retryInfo)
	e.Temporary = e.Code.Transient()
	e.Err = errors.New(s.Message())
	return storage.Annotate(e, op, key)
}
