package routing

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// MaxVerified is the largest value that a verifying read holds in memory, so
// that it can go to another copy when the SHA-256 is wrong, in bytes. With a
// larger one the read fails as DataLoss at its end.
const MaxVerified = 1 << 20

// replicaSource is the body of a Get whose value several replicas have.
type replicaSource struct {
	io.ReadCloser
	lookup
	engine      *replicated
	ctx         context.Context //nolint:containedctx // that of the read, which governs it to its end
	set         copySet
	offset, end int64  // of what is still to be read
	tried       uint32 // a bit for each replica
}

// guard makes the reader of s go on at another replica with the same version when
// its source breaks.
func guard(s *replicaSource) {
	s.offset, s.end = s.reader.Offset, s.reader.Offset+s.reader.Length
	s.reader.Wrap(func(source io.ReadCloser) io.ReadCloser {
		s.ReadCloser = source
		return s
	})
	s.reader.OnClose(func(_ int64, err error) { s.engine.ended(s.key, s.from, err) })
}

func (s *replicaSource) Read(p []byte) (int, error) {
	for {
		n, err := s.ReadCloser.Read(p)
		s.offset += int64(n)
		if err == nil || err == io.EOF || s.offset >= s.end {
			return n, err
		}
		if n > 0 {
			return n, nil // the source fails again
		}
		if !failsOver(s.ctx, err) || !s.elsewhere(err) {
			return 0, err
		}
	}
}

// elsewhere opens the rest at another replica.
func (s *replicaSource) elsewhere(cause error) bool {
	s.tried |= 1 << s.from.index
	for k := range s.set.replicas {
		r := s.set.at(k)
		if s.tried&(1<<r.index) != 0 || !s.engine.usable(r) {
			continue
		}
		q := lookup{op: event.OpGet, key: s.key, wanted: storage.RangeOf(s.offset, s.end-s.offset)}
		if err := s.engine.open(s.ctx, r, &q); err != nil || q.reader == nil || q.state.stamp != s.state.stamp {
			q.drop()
			s.tried |= 1 << r.index
			continue
		}
		s.engine.env.Listener.Failover(event.FailoverInfo{Policy: s.engine.name, Op: event.OpGet, From: s.from.ref(), To: r.ref(), Err: cause})
		_ = s.ReadCloser.Close() // it is broken
		s.ReadCloser, s.from = q.reader, r
		return true
	}
	return false
}

// ended has a copy whose bytes were not what they should be replaced. err ended
// the reading.
func (e *replicated) ended(key string, from *replica, err error) {
	if err != nil && storage.CodeOf(err) == storage.CodeDataLoss {
		e.queue(key, from)
	}
}

// verified compares the SHA-256 of what q is going to give: before it gives
// anything if the value is small, else at its end.
func (e *replicated) verified(q *lookup) error {
	want := q.state.object.Metadata[metaSHA256]
	if want == "" {
		return nil // it was not written through a policy
	}
	if q.reader.Length > MaxVerified {
		q.reader.Wrap(func(source io.ReadCloser) io.ReadCloser {
			return newHashedSource(source, want, q.reader.Length)
		})
		return nil
	}
	value, err := q.reader.Bytes()
	if err != nil {
		return err
	}
	if err := checkSHA256(want, sha256.Sum256(value)); err != nil {
		return err
	}
	q.reader = storage.NewReader(q.state.object, 0, int64(len(value)), io.NopCloser(bytes.NewReader(value)))
	return nil
}

func checkSHA256(want string, got [sha256.Size]byte) error {
	if hex.EncodeToString(got[:]) == want {
		return nil
	}
	return storage.Errorf(storage.CodeDataLoss, "the SHA-256 of the value is %x; it was written with %s", got, want)
}

// hashedSource fails instead of giving the last bytes of a value with another
// SHA-256.
type hashedSource struct {
	io.ReadCloser
	hash hash.Hash
	want string
	left int64
}

func newHashedSource(source io.ReadCloser, want string, length int64) *hashedSource {
	return &hashedSource{ReadCloser: source, hash: sha256.New(), want: want, left: length}
}

func (s *hashedSource) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.hash.Write(p[:n])
	if s.left -= int64(n); s.left == 0 && n > 0 {
		if bad := checkSHA256(s.want, [sha256.Size]byte(s.hash.Sum(nil))); bad != nil {
			return 0, bad
		}
	}
	return n, err
}
