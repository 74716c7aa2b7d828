package wire

import (
	"google.golang.org/grpc"

	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// List implements the storage service.
func (s *Server) List(req *storagev1.ListRequest, stream grpc.ServerStreamingServer[storagev1.ListResponse]) error {
	return statusFromError(s.list(req, stream))
}

func (s *Server) list(req *storagev1.ListRequest, stream grpc.ServerStreamingServer[storagev1.ListResponse]) error {
	b, err := s.backend(req.GetBackend())
	if err != nil {
		return err
	}
	session, err := sessionFromProto(req.Session)
	if err != nil {
		return err
	}
	page, err := b.store.List(stream.Context(), storage.ListOptions{
		Prefix: req.GetPrefix(), Delimiter: req.GetDelimiter(), Limit: int(req.GetLimit()), Token: req.GetToken(),
		AllowPartial: req.GetAllowPartial(), Consistency: consistencyFromProto(req.GetConsistency()), Session: session,
	})
	if err != nil {
		return err
	}
	part, size := new(storagev1.ListResponse), 0
	room := func(n int) error {
		if size += n; size <= listPartBytes {
			return nil
		}
		full := part
		part, size = new(storagev1.ListResponse), n
		return stream.Send(full)
	}
	for _, o := range page.Objects {
		if err := room(objectBytes(o)); err != nil {
			return err
		}
		part.Objects = append(part.Objects, objectToProto(o))
	}
	for _, p := range page.Prefixes {
		if err := room(len(p) + 8); err != nil {
			return err
		}
		part.Prefixes = append(part.Prefixes, p)
	}
	part.NextToken, part.Partial, part.FailedBackends, part.Session = page.NextToken, page.Partial, page.FailedBackends, sessionToken(session)
	return stream.Send(part)
}

// objectBytes estimates the size of an object's message.
func objectBytes(o storage.Object) int {
	n := 64 + len(o.Key) + len(o.ETag) + len(o.ContentType)
	for name, value := range o.Metadata {
		n += len(name) + len(value) + 8
	}
	return n
}

// Watch implements the storage service.
func (s *Server) Watch(req *storagev1.WatchRequest, stream grpc.ServerStreamingServer[storagev1.WatchResponse]) error {
	return statusFromError(s.watch(req, stream))
}

func (s *Server) watch(req *storagev1.WatchRequest, stream grpc.ServerStreamingServer[storagev1.WatchResponse]) error {
	b, err := s.backend(req.GetBackend())
	if err != nil {
		return err
	}
	events, err := b.store.Watch(stream.Context(), storage.WatchOptions{Prefix: req.GetPrefix(), Cursor: req.GetCursor()})
	if err != nil {
		return err
	}
	defer events.Close()
	if err := stream.Send(&storagev1.WatchResponse{Cursor: events.Cursor()}); err != nil {
		return err
	}
	for {
		e, err := events.Next(stream.Context())
		if err != nil {
			return err
		}
		err = stream.Send(&storagev1.WatchResponse{Kind: storagev1.WatchResponse_Kind(e.Kind), Key: e.Key, Etag: e.ETag, Cursor: e.Cursor})
		if err != nil {
			return err
		}
	}
}
