package wire

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p2p-ai-agents/stowage/internal/turn"
	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Get implements the storage service.
func (s *Server) Get(req *storagev1.GetRequest, stream grpc.ServerStreamingServer[storagev1.GetResponse]) error {
	return statusFromError(s.get(req, stream))
}

func (s *Server) get(req *storagev1.GetRequest, stream grpc.ServerStreamingServer[storagev1.GetResponse]) error {
	b, err := s.backend(req.GetBackend())
	if err != nil {
		return err
	}
	session, err := sessionFromProto(req.Session)
	if err != nil {
		return err
	}
	r, err := b.store.Get(stream.Context(), req.GetKey(), storage.GetOptions{
		Range: rangeFromProto(req.GetRange()), IfMatch: req.GetIfMatch(),
		Consistency: consistencyFromProto(req.GetConsistency()), Session: session,
	})
	if err != nil {
		return err
	}
	defer r.Close()
	resp := &storagev1.GetResponse{Header: &storagev1.GetResponse_Header{
		Object: objectToProto(r.Object), Offset: r.Offset, Length: r.Length, Session: sessionToken(session),
	}}
	buf := make([]byte, min(r.Length, chunkBytes))
	for left := r.Length; ; {
		n, err := io.ReadFull(r, buf[:min(left, chunkBytes)])
		if err != nil {
			return err
		}
		left -= int64(n)
		resp.Data = buf[:n]
		if left == 0 { // an empty value has a checksum to check too
			if _, err := r.Read(nil); err != io.EOF { //nolint:errorlint // Reader returns io.EOF itself
				return err
			}
		}
		if err := stream.Send(resp); err != nil || left == 0 {
			return err
		}
		resp.Header = nil
	}
}

// Put implements the storage service.
func (s *Server) Put(stream grpc.ClientStreamingServer[storagev1.PutRequest, storagev1.PutResponse]) error {
	resp, err := s.put(stream)
	if err != nil {
		return statusFromError(err)
	}
	return stream.SendAndClose(resp)
}

func (s *Server) put(stream grpc.ClientStreamingServer[storagev1.PutRequest, storagev1.PutResponse]) (*storagev1.PutResponse, error) {
	first, err := receive(stream)
	if err != nil {
		return nil, err
	}
	h := first.GetHeader()
	if h == nil {
		return nil, storage.Errorf(storage.CodeInvalidArgument, "the first message of a put has no header")
	}
	b, err := s.backend(h.GetBackend())
	if err != nil {
		return nil, err
	}
	opts := putOptionsFromProto(h.GetOptions())
	opts.SizeHint, opts.Consistency = h.GetSizeHint(), consistencyFromProto(h.GetConsistency())
	if opts.Session, err = sessionFromProto(h.Session); err != nil {
		return nil, err
	}
	body := &putBody{stream: stream, order: &b.order, key: h.GetKey(), data: first.GetData(), trailer: first.GetTrailer()}
	defer body.release()
	res, err := b.store.Put(stream.Context(), h.GetKey(), body, opts)
	if err != nil {
		return nil, err
	}
	return &storagev1.PutResponse{Object: objectToProto(res.Object), Created: tristateToProto(res.Created), Session: sessionToken(opts.Session)}, nil
}

// putBody is the body of a put as the messages bring it. Before it ends it
// takes the key's turn, so that the commit which follows is in order.
type putBody struct {
	stream  grpc.ClientStreamingServer[storagev1.PutRequest, storagev1.PutResponse]
	order   *turn.Keys
	key     string
	data    []byte
	trailer *storagev1.PutRequest_Trailer
	size    int64
	crc     uint32
	unlock  func()
	err     error
}

func (b *putBody) Read(p []byte) (int, error) {
	for len(b.data) == 0 && b.err == nil {
		b.err = b.next()
	}
	if len(b.data) == 0 {
		return 0, b.err
	}
	n := copy(p, b.data)
	b.size += int64(n)
	b.crc = storage.Checksum(b.crc, b.data[:n])
	b.data = b.data[n:]
	return n, nil
}

// next receives a message, or ends the body.
func (b *putBody) next() error {
	if b.trailer != nil {
		return b.end()
	}
	msg, err := receive(b.stream)
	if err != nil {
		return err
	}
	if msg.GetHeader() != nil {
		return storage.Errorf(storage.CodeInvalidArgument, "a put has one header, in its first message")
	}
	b.data, b.trailer = msg.GetData(), msg.GetTrailer()
	return nil
}

// receive takes the next message of a put from stream.
func receive(stream grpc.ClientStreamingServer[storagev1.PutRequest, storagev1.PutResponse]) (*storagev1.PutRequest, error) {
	msg, err := stream.Recv()
	switch {
	case errors.Is(err, io.EOF):
		return nil, storage.Errorf(storage.CodeCanceled, "the put was abandoned: it has no trailer")
	case err != nil:
		if ctxErr := stream.Context().Err(); ctxErr != nil {
			return nil, storage.Errorf(storage.CodeOf(ctxErr), "receiving the value: %w", ctxErr)
		}
		if status.Code(err) == codes.ResourceExhausted {
			return nil, storage.Errorf(storage.CodeInvalidArgument, "receiving the value: %w", err)
		}
		return nil, storage.Errorf(storage.CodeUnavailable, "receiving the value: %w", err)
	case len(msg.GetData()) > MaxChunkBytes:
		return nil, storage.Errorf(storage.CodeInvalidArgument, "a chunk has %d bytes; at most %d are allowed", len(msg.GetData()), MaxChunkBytes)
	}
	return msg, nil
}

func (b *putBody) end() error {
	if b.trailer.GetSize() != b.size || b.trailer.GetCrc32C() != b.crc {
		return storage.Errorf(storage.CodeDataLoss, "the value arrived damaged: %d bytes with checksum %08x instead of %d with %08x",
			b.size, b.crc, b.trailer.GetSize(), b.trailer.GetCrc32C())
	}
	unlock, err := b.order.Lock(b.stream.Context(), b.key)
	if err != nil {
		return storage.Errorf(storage.CodeOf(err), "waiting for an earlier write to the key: %w", err)
	}
	b.unlock = unlock
	return io.EOF
}

func (b *putBody) release() {
	if b.unlock != nil {
		b.unlock()
	}
}

// Stat implements the storage service.
func (s *Server) Stat(ctx context.Context, req *storagev1.StatRequest) (_ *storagev1.StatResponse, err error) {
	defer func() { err = statusFromError(err) }()
	b, err := s.backend(req.GetBackend())
	if err != nil {
		return nil, err
	}
	session, err := sessionFromProto(req.Session)
	if err != nil {
		return nil, err
	}
	o, err := b.store.Stat(ctx, req.GetKey(), storage.StatOptions{
		IfMatch: req.GetIfMatch(), Consistency: consistencyFromProto(req.GetConsistency()), Session: session,
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.StatResponse{Object: objectToProto(o), Session: sessionToken(session)}, nil
}

// Delete implements the storage service.
func (s *Server) Delete(ctx context.Context, req *storagev1.DeleteRequest) (_ *storagev1.DeleteResponse, err error) {
	defer func() { err = statusFromError(err) }()
	b, err := s.backend(req.GetBackend())
	if err != nil {
		return nil, err
	}
	session, err := sessionFromProto(req.Session)
	if err != nil {
		return nil, err
	}
	unlock, err := b.order.Lock(ctx, req.GetKey())
	if err != nil {
		return nil, err
	}
	defer unlock()
	d, err := b.store.Delete(ctx, req.GetKey(), storage.DeleteOptions{
		If: conditionFromProto(req.GetCondition()), Consistency: consistencyFromProto(req.GetConsistency()), Session: session,
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.DeleteResponse{Existed: tristateToProto(d.Existed), Session: sessionToken(session)}, nil
}

// Batch implements the storage service.
func (s *Server) Batch(ctx context.Context, req *storagev1.BatchRequest) (_ *storagev1.BatchResponse, err error) {
	defer func() { err = statusFromError(err) }()
	b, err := s.backend(req.GetBackend())
	if err != nil {
		return nil, err
	}
	session, err := sessionFromProto(req.Session)
	if err != nil {
		return nil, err
	}
	ops := operationsFromProto(req.GetOperations())
	unlock, err := b.order.Lock(ctx, keysOf(ops)...)
	if err != nil {
		return nil, err
	}
	defer unlock()
	results, err := b.store.Batch(ctx, ops, storage.BatchOptions{
		Atomic: req.GetAtomic(), Consistency: consistencyFromProto(req.GetConsistency()), Session: session,
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.BatchResponse{Results: resultsToProto(results), Session: sessionToken(session)}, nil
}

// Commit implements the storage service.
func (s *Server) Commit(ctx context.Context, req *storagev1.CommitRequest) (_ *storagev1.CommitResponse, err error) {
	defer func() { err = statusFromError(err) }()
	b, err := s.backend(req.GetBackend())
	if err != nil {
		return nil, err
	}
	tx := storage.Transaction{Ops: operationsFromProto(req.GetOperations())}
	for _, c := range req.GetChecks() {
		tx.Checks = append(tx.Checks, storage.Check{Key: c.GetKey(), ETag: c.GetEtag()})
	}
	unlock, err := b.order.Lock(ctx, keysOf(tx.Ops)...)
	if err != nil {
		return nil, err
	}
	defer unlock()
	results, err := b.store.Commit(ctx, tx)
	if err != nil {
		return nil, err
	}
	return &storagev1.CommitResponse{Results: resultsToProto(results)}, nil
}

// Copy implements the storage service.
func (s *Server) Copy(ctx context.Context, req *storagev1.CopyRequest) (_ *storagev1.CopyResponse, err error) {
	defer func() { err = statusFromError(err) }()
	b, err := s.backend(req.GetBackend())
	if err != nil {
		return nil, err
	}
	unlock, err := b.order.Lock(ctx, req.GetDestination())
	if err != nil {
		return nil, err
	}
	defer unlock()
	res, err := b.store.Copy(ctx, req.GetSource(), req.GetDestination(), storage.CopyOptions{
		If: conditionFromProto(req.GetCondition()), SourceIfMatch: req.GetSourceIfMatch(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.CopyResponse{Object: objectToProto(res.Object), Created: tristateToProto(res.Created)}, nil
}
