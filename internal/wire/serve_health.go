package wire

import (
	"context"
	"time"

	pluginv1 "github.com/p2p-ai-agents/stowage/proto/stowage/plugin/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Health implements the control service. A backend that hangs is reported as
// such before the caller's time is over, so that it does not hide the others.
func (s *Server) Health(ctx context.Context, _ *pluginv1.HealthRequest) (*pluginv1.HealthResponse, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*3/4)
		defer cancel()
	}
	backends := s.open()
	type answer struct {
		id  string
		err error
	}
	answers := make(chan answer, len(backends))
	health := make(map[string]error, len(backends))
	asked := 0
	for id, b := range backends {
		health[id] = storage.Errorf(storage.CodeDeadlineExceeded, "the backend does not answer the question for its health")
		if b.probing.Swap(true) {
			continue
		}
		asked++
		go func() {
			err := b.store.CheckHealth(ctx)
			b.probing.Store(false)
			answers <- answer{id, err}
		}()
	}
	for ; asked > 0; asked-- {
		select {
		case a := <-answers:
			health[a.id] = a.err
			continue
		case <-ctx.Done():
		}
		break
	}
	resp := &pluginv1.HealthResponse{}
	for id, err := range health {
		b := &pluginv1.HealthResponse_Backend{Id: id}
		if err != nil {
			b.Error = errorToProto(err)
		}
		resp.Backends = append(resp.Backends, b)
	}
	return resp, nil
}
