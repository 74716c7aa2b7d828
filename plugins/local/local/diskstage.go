package local

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (e *diskEngine) stage(ctx context.Context, body io.Reader, sizeHint int64) (*staged, error) {
	if err := e.space.check(sizeHint); err != nil {
		return nil, err
	}
	s := stager{body: bodyReader{ctx, body}, quota: e.quota}
	if sizeHint <= e.inlineLimit {
		ended, err := s.fill(sizeHint, e.inlineLimit+1)
		if err != nil {
			e.quota.release(s.reserved)
			return nil, err
		}
		if ended && s.size <= e.inlineLimit {
			return &staged{id: e.versions.next(), size: s.size, crc: s.crc, place: inIndex, value: s.chunks, reserved: s.reserved}, nil
		}
	}
	return e.stageFile(&s)
}

// stageFile writes what s holds and the rest of its body to a file.
func (e *diskEngine) stageFile(s *stager) (*staged, error) {
	v := &staged{id: e.versions.next(), size: s.size, crc: s.crc, place: inFile, reserved: s.reserved}
	file, err := e.files.create(v.id)
	if err == nil {
		v.file = file
		err = e.writeFile(v, s)
	}
	if err != nil {
		e.discard(v)
		s.quota.release(v.reserved)
		return nil, err
	}
	return v, nil
}

func (e *diskEngine) writeFile(v *staged, s *stager) error {
	for _, chunk := range s.chunks {
		if _, err := v.file.Write(chunk); err != nil {
			return systemError(err)
		}
	}
	s.chunks = nil
	buf, _ := e.files.buffers.Get().(*[copyBuffer]byte)
	defer e.files.buffers.Put(buf)
	for {
		n, err := s.body.fill(buf[:])
		if err != nil && err != io.EOF { //nolint:errorlint // a body that ends says so itself
			return err
		}
		if n > 0 {
			if err := s.quota.reserve(s.body.ctx, int64(n)); err != nil {
				return err
			}
			v.reserved += int64(n)
			v.size += int64(n)
			v.crc = storage.Checksum(v.crc, buf[:n])
			if _, err := v.file.Write(buf[:n]); err != nil {
				return systemError(err)
			}
		}
		if err != nil {
			return nil
		}
	}
}

func (e *diskEngine) stageCopy(ctx context.Context, r *record) (*staged, error) {
	if err := e.space.check(0); err != nil {
		return nil, err
	}
	v := &staged{id: e.versions.next(), size: r.object.Size, crc: r.object.CRC32C, place: r.place}
	if r.place == inFile {
		err := e.files.link(v.id, r.id)
		if err == nil || errors.Is(err, errVersionGone) {
			return v, err
		}
	}
	// Small, or on a file system without links, or with too many of them.
	body, err := e.open(ctx, r, 0, r.object.Size)
	if err != nil {
		return nil, err
	}
	reader := storage.NewReader(r.object, 0, r.object.Size, body) // verifies
	defer reader.Close()
	if r.place == inFile {
		s := stager{body: bodyReader{ctx, reader}, quota: &quota{}}
		return e.stageFile(&s)
	}
	value, err := reader.Bytes()
	v.value = chunks{value}
	return v, err
}

func (e *diskEngine) settle(v *staged) error {
	if v.place != inFile {
		return nil
	}
	if file := v.file; file != nil {
		v.file = nil
		if err := cmp.Or(file.Sync(), file.Close()); err != nil {
			return systemError(err)
		}
	}
	return systemError(e.files.settle(v.id))
}

func (e *diskEngine) discard(v *staged) {
	if v.place != inFile {
		return
	}
	if v.file != nil {
		_ = v.file.Close()
		v.file = nil
	}
	e.files.remove(v.id)
}
