package wire

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"google.golang.org/grpc"

	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// clientStore is a backend of a plugin process. It implements all of
// storage.Store; its capabilities say what the backend behind it does.
type clientStore struct {
	client  *Client
	storage storagev1.StorageClient
	id      string
	caps    storage.Capabilities
	closed  atomic.Bool // no more operations
	gone    atomic.Bool // the process has closed it too
}

func newClientStore(c *Client, id string, caps storage.Capabilities) *clientStore {
	return &clientStore{client: c, storage: storagev1.NewStorageClient(c.conn), id: id, caps: caps}
}

func (s *clientStore) Capabilities() storage.Capabilities { return s.caps }

func (s *clientStore) checkOpen() error {
	if s.closed.Load() {
		return storage.Errorf(storage.CodeUnavailable, "the backend is closed")
	}
	return nil
}

func (s *clientStore) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if err := s.checkOpen(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r, err := s.get(ctx, cancel, key, opts)
	if err != nil {
		err = callError(ctx.Err, err, "get", key, false)
		cancel()
		return nil, err
	}
	return r, nil
}

func (s *clientStore) get(ctx context.Context, cancel context.CancelFunc, key string, opts storage.GetOptions) (*storage.Reader, error) {
	stream, err := s.storage.Get(ctx, &storagev1.GetRequest{
		Backend: s.id, Key: key, Range: rangeToProto(opts.Range), IfMatch: opts.IfMatch,
		Consistency: consistencyToProto(opts.Consistency), Session: sessionToProto(opts.Session),
	})
	if err != nil {
		return nil, err
	}
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	h := first.GetHeader()
	if h == nil || h.GetObject() == nil || h.GetLength() < 0 || h.GetOffset() < 0 || h.GetOffset() > h.GetObject().GetSize()-h.GetLength() {
		return nil, storage.Errorf(storage.CodeInternal, "the plugin's answer to a get has no header, or one that makes no sense")
	}
	if len(first.GetData()) > MaxChunkBytes || int64(len(first.GetData())) > h.GetLength() {
		return nil, storage.Errorf(storage.CodeInternal, "the plugin sent %d bytes of the %d it announced in one chunk", len(first.GetData()), h.GetLength())
	}
	mergeSession(opts.Session, h.GetSession())
	body := &getBody{stream: stream, cancel: cancel, ended: ctx.Err, key: key, data: first.GetData()}
	if int64(len(body.data)) == h.GetLength() {
		// The value is here whole. Taking the end of the stream too saves
		// the plugin a cancellation.
		switch _, err := stream.Recv(); {
		case err == nil:
			return nil, storage.Errorf(storage.CodeInternal, "the plugin sent more than the %d bytes it announced", h.GetLength())
		case !errors.Is(err, io.EOF):
			return nil, err
		}
		body.err = io.EOF
	}
	return storage.NewReader(objectFromProto(h.GetObject()), h.GetOffset(), h.GetLength(), body), nil
}

type getBody struct {
	stream grpc.ServerStreamingClient[storagev1.GetResponse]
	cancel context.CancelFunc
	ended  func() error // not nil once the caller's context is done
	key    string
	data   []byte
	err    error
}

func (b *getBody) Read(p []byte) (int, error) {
	for len(b.data) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		msg, err := b.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			b.err = io.EOF
		case err != nil:
			b.err = callError(b.ended, err, "get", b.key, false)
		case len(msg.GetData()) > MaxChunkBytes:
			b.err = storage.Errorf(storage.CodeInternal, "the plugin sent a chunk of %d bytes; at most %d are allowed", len(msg.GetData()), MaxChunkBytes)
		default:
			b.data = msg.GetData()
		}
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

func (b *getBody) Close() error {
	b.cancel()
	return nil
}

func (s *clientStore) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := s.checkOpen(); err != nil {
		return storage.PutResult{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.storage.Put(ctx)
	if err != nil {
		return storage.PutResult{}, callError(ctx.Err, err, "put", key, false)
	}
	sent, err := s.sendBody(stream, body, &storagev1.PutRequest_Header{
		Backend: s.id, Key: key, Options: putOptionsToProto(opts), SizeHint: opts.SizeHint,
		Consistency: consistencyToProto(opts.Consistency), Session: sessionToProto(opts.Session),
	})
	if err != nil && !errors.Is(err, errEnded) {
		return storage.PutResult{}, callError(ctx.Err, err, "put", key, sent)
	}
	resp, err := stream.CloseAndRecv()
	if err != nil {
		return storage.PutResult{}, callError(ctx.Err, err, "put", key, sent)
	}
	mergeSession(opts.Session, resp.GetSession())
	return storage.PutResult{Object: objectFromProto(resp.GetObject()), Created: tristateFromProto(resp.GetCreated())}, nil
}

// errEnded says that the other side ended the stream: its status says why.
var errEnded = errors.New("the stream was ended")

// sendBody sends header, body and trailer. sent says that the trailer may have
// arrived, so that the write may have happened.
func (s *clientStore) sendBody(stream grpc.ClientStreamingClient[storagev1.PutRequest, storagev1.PutResponse], body io.Reader, h *storagev1.PutRequest_Header) (sent bool, err error) {
	chunk := s.client.chunks.Get().(*[chunkBytes]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer s.client.chunks.Put(chunk)                   // SendMsg has encoded the bytes when it returns
	var size int64
	var crc uint32
	for {
		n, ended, err := fill(body, chunk[:])
		if err != nil {
			return false, &storage.Error{Code: storage.CodeOf(err), Err: err}
		}
		size += int64(n)
		crc = storage.Checksum(crc, chunk[:n])
		msg := &storagev1.PutRequest{Header: h, Data: chunk[:n]}
		if ended {
			msg.Trailer = &storagev1.PutRequest_Trailer{Size: size, Crc32C: crc}
		}
		err = stream.Send(msg)
		switch {
		case errors.Is(err, io.EOF):
			return ended, errEnded
		case err != nil || ended:
			return ended, err
		}
		h = nil
	}
}

// maxEmptyReads is how often in a row a body may give neither a byte nor an
// error.
const maxEmptyReads = 100

// fill reads until p is full or body ends. Only io.EOF ends a body: one that
// breaks off may well say io.ErrUnexpectedEOF, which io.ReadFull could not tell
// from its own.
func fill(body io.Reader, p []byte) (n int, ended bool, err error) {
	for empty := 0; n < len(p); {
		m, err := body.Read(p[n:])
		n += m
		if empty++; m > 0 {
			empty = 0
		}
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
		if empty == maxEmptyReads {
			return n, false, io.ErrNoProgress
		}
	}
	return n, false, nil
}
