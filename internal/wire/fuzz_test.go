package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pluginv1 "github.com/p2p-ai-agents/stowage/proto/stowage/plugin/v1"
	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// putMessages is the server's side of a put whose messages are all there.
type putMessages struct {
	grpc.ServerStream
	ctx      func() context.Context
	messages []*storagev1.PutRequest
	answer   *storagev1.PutResponse
}

func (s *putMessages) Context() context.Context { return s.ctx() }

func (s *putMessages) Recv() (*storagev1.PutRequest, error) {
	if len(s.messages) == 0 {
		return nil, io.EOF
	}
	m := s.messages[0]
	s.messages = s.messages[1:]
	return m, nil
}

func (s *putMessages) SendAndClose(m *storagev1.PutResponse) error {
	s.answer = m
	return nil
}

// FuzzPutStream feeds a server any sequence of messages: what it acknowledges
// must be what the trailer announced, and all else must change nothing.
func FuzzPutStream(f *testing.F) {
	seed := func(messages ...*storagev1.PutRequest) {
		var data []byte
		for _, m := range messages {
			raw, err := proto.Marshal(m)
			if err != nil {
				f.Fatal(err)
			}
			data = binary.AppendUvarint(data, uint64(len(raw)))
			data = append(data, raw...)
		}
		f.Add(data)
	}
	header := &storagev1.PutRequest_Header{Backend: "b1", Key: "k"}
	trailer := &storagev1.PutRequest_Trailer{Size: 2, Crc32C: storage.Checksum(0, []byte("ab"))}
	seed(&storagev1.PutRequest{Header: header, Data: []byte("ab"), Trailer: trailer})
	seed(&storagev1.PutRequest{Header: header}, &storagev1.PutRequest{Data: []byte("a")}, &storagev1.PutRequest{Data: []byte("b"), Trailer: trailer})
	seed(&storagev1.PutRequest{Header: header, Data: []byte("ab")})
	f.Fuzz(func(t *testing.T, data []byte) {
		var messages []*storagev1.PutRequest
		for len(data) > 0 {
			n, used := binary.Uvarint(data)
			if used <= 0 || n > uint64(len(data)-used) {
				break
			}
			m := new(storagev1.PutRequest)
			if proto.Unmarshal(data[used:used+int(n)], m) != nil {
				return
			}
			messages = append(messages, m)
			data = data[used+int(n):]
		}
		backend := newMemory(nil)
		s := NewServer(&fakePlugin{backend: func() storage.Backend { return backend }}, slog.New(slog.DiscardHandler))
		if _, err := s.Open(t.Context(), &pluginv1.OpenRequest{Id: "b1", ConfigJson: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		stream := &putMessages{ctx: t.Context, messages: messages}
		err := s.Put(stream)
		if err != nil {
			for _, m := range messages {
				if h := m.GetHeader(); h != nil {
					if _, err := backend.Get(t.Context(), h.GetKey(), storage.GetOptions{}); !errors.Is(err, storage.ErrNotFound) {
						t.Fatal("a put that failed has changed something")
					}
				}
			}
			return
		}
		key := messages[0].GetHeader().GetKey()
		r, err := backend.Get(t.Context(), key, storage.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if tr := m.GetTrailer(); tr != nil {
				if r.Object.Size != tr.GetSize() || r.Object.CRC32C != tr.GetCrc32C() {
					t.Fatalf("stored %d bytes %08x, announced %d bytes %08x", r.Object.Size, r.Object.CRC32C, tr.GetSize(), tr.GetCrc32C())
				}
				return
			}
		}
		t.Fatal("a put without a trailer was acknowledged")
	})
}

func FuzzErrorFromStatus(f *testing.F) {
	for _, code := range allCodes() {
		s, _ := grpcstatus.FromError(statusFromError(&storage.Error{Op: "put", Key: "k", Code: code, RetryAfter: 1, Err: errors.New("x")}))
		raw, err := proto.Marshal(s.Proto())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, committed bool) {
		p := new(status.Status)
		if proto.Unmarshal(data, p) != nil || p.GetCode() == 0 {
			return
		}
		err := errorFromStatus(grpcstatus.ErrorProto(p), "put", "k", committed)
		e := storage.AsError(err)
		if e.Code > storage.CodePermissionDenied || e.RetryAfter < 0 || e.Op == "" || e.Key == "" {
			t.Fatalf("not an error of the contract: %#v", e)
		}
		back := storage.AsError(errorFromStatus(statusFromError(err), "put", "k", false))
		if back.Code != e.Code || back.OutcomeUnknown != e.OutcomeUnknown || back.Temporary != e.Temporary || back.Retried != e.Retried {
			t.Fatalf("%#v became %#v", e, back)
		}
	})
}

// FuzzConvert reads any bytes as the requests a server takes: converting them
// there and back must neither panic nor lose a condition.
func FuzzConvert(f *testing.F) {
	batch, err := proto.Marshal(&storagev1.BatchRequest{Operations: operationsToProto([]storage.BatchOp{
		{Kind: storage.BatchPut, Key: "k", Value: []byte("v"), Put: storage.PutOptions{If: storage.IfAbsent(), TTL: 5, Metadata: map[string]string{"a": "b"}}},
		{Kind: storage.BatchDelete, Key: "k", Delete: storage.DeleteOptions{If: storage.IfETag("e")}},
		{Kind: storage.BatchGet, Key: "k"},
		{Kind: storage.BatchStat, Key: "k"},
	})})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(batch)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var put storagev1.PutRequest_Header
		if proto.Unmarshal(data, &put) == nil {
			checkCondition(t, put.GetOptions().GetCondition(), putOptionsFromProto(put.GetOptions()).If)
		}
		var get storagev1.GetRequest
		if proto.Unmarshal(data, &get) == nil {
			r := rangeFromProto(get.GetRange())
			if get.GetRange() != nil && r.IsWhole() {
				t.Fatal("a range was dropped")
			}
			if r.Validate() == nil && rangeFromProto(rangeToProto(r)) != r {
				t.Fatalf("range %v changed", r)
			}
			_, _ = sessionFromProto(get.Session)
			_ = consistencyFromProto(get.GetConsistency()).String()
		}
		var b storagev1.BatchRequest
		if proto.Unmarshal(data, &b) == nil {
			ops := operationsFromProto(b.GetOperations())
			for i, op := range ops {
				switch o := b.GetOperations()[i].GetOperation().(type) {
				case *storagev1.BatchOperation_Put_:
					checkCondition(t, o.Put.GetOptions().GetCondition(), op.Put.If)
				case *storagev1.BatchOperation_Delete_:
					checkCondition(t, o.Delete.GetCondition(), op.Delete.If)
				}
			}
			_ = storage.ValidateBatch(operationsFromProto(operationsToProto(ops)))
			_ = keysOf(ops)
		}
		var results storagev1.BatchResponse
		if proto.Unmarshal(data, &results) == nil {
			_ = resultsToProto(resultsFromProto(results.GetResults()))
		}
		var caps storagev1.Capabilities
		if proto.Unmarshal(data, &caps) == nil {
			c := capabilitiesFromProto(&caps)
			if again := capabilitiesFromProto(capabilitiesToProto(c)); again != c {
				t.Fatalf("%+v became %+v", c, again)
			}
		}
	})
}

func checkCondition(t *testing.T, p *storagev1.Condition, c storage.Condition) {
	t.Helper()
	if p != nil && c.IsNone() {
		t.Fatal("a condition was dropped")
	}
	if c.Validate() == nil && conditionFromProto(conditionToProto(c)) != c {
		t.Fatalf("condition %v changed", c)
	}
}

func FuzzSchemaFromProto(f *testing.F) {
	data, err := MarshalDescription(fullDescription())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := UnmarshalDescription(data)
		if err != nil {
			return
		}
		if err := d.Config.Check(); err != nil {
			t.Fatalf("accepted: %v", err)
		}
		again, err := MarshalDescription(d)
		if err != nil {
			t.Fatalf("accepted but not kept: %v", err)
		}
		if _, err := UnmarshalDescription(again); err != nil {
			t.Fatalf("kept but not read: %v", err)
		}
	})
}
