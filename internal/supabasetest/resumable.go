package supabasetest

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// ChunkSize is how many bytes each PATCH but the last must carry, by Supabase's
// advice.
const ChunkSize = 6 << 20

// ResumableOptions is about uploads by TUS.
type ResumableOptions struct {
	// WrongLocation answers with a Location whose scheme and host lead nowhere,
	// as projects behind proxies do. The path is right.
	WrongLocation bool

	// StrictChunks refuses a PATCH with another size than [ChunkSize] that does
	// not end the upload.
	StrictChunks bool

	// Granularity is how many bytes must be complete for a broken PATCH to leave
	// them behind; what is beyond a multiple is lost. One if zero, which keeps
	// everything.
	Granularity int64

	// LockTimeout is how long a request waits for another one on the same upload,
	// which is asked to stop, before it is answered with 423. 5 seconds if zero.
	LockTimeout time.Duration

	// Expiry is after how long an upload answers 410. A day if zero.
	Expiry time.Duration
}

func (o ResumableOptions) withDefaults() ResumableOptions {
	o.Granularity = cmp.Or(o.Granularity, 1)
	o.LockTimeout = cmp.Or(o.LockTimeout, 5*time.Second)
	o.Expiry = cmp.Or(o.Expiry, 24*time.Hour)
	return o
}

// upload is one that has begun. What is below lock belongs to its holder.
type upload struct {
	id       string // in the address
	bucket   string
	metadata string // as the client wrote it
	length   int64
	limit    int64
	expires  time.Time
	object   *object
	file     string

	lock   chan struct{} // holds one token while taken
	offset int64
	done   bool

	mu        sync.Mutex
	interrupt func() // asks the holder of the lock to stop, if not nil
}

// ExpireUploads lets every upload that is not complete answer 410 from now on.
func (p *Project) ExpireUploads() {
	s := p.storage
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.uploads {
		u.mu.Lock()
		u.expires = time.Time{}
		u.mu.Unlock()
	}
}

// Uploads counts those that have begun and are neither complete nor deleted.
func (p *Project) Uploads() int {
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	count := 0
	for _, u := range p.storage.uploads {
		u.mu.Lock()
		if !u.done {
			count++
		}
		u.mu.Unlock()
	}
	return count
}

// begin registers an upload.
func (s *storage) begin(metadata string, length int64, owner, upsert bool) (*upload, error) {
	fields, err := parseMetadata(metadata)
	if err != nil {
		return nil, err
	}
	bucketID, name := fields["bucketName"], fields["objectName"]
	if bucketID == "" || name == "" {
		return nil, errUploadID
	}
	limit, err := s.admit(owner, bucketID, name, upsert)
	if err != nil {
		return nil, err
	}
	if length > limit {
		return nil, errMaxSize
	}
	o := &object{
		version: uuid(), name: name, contentType: cmp.Or(fields["contentType"], "application/octet-stream"),
		cacheControl: "no-cache",
	}
	// An etag of an object in parts is no checksum.
	o.etag = `"` + strings.ReplaceAll(o.version, "-", "") + `-1"`
	if age := fields["cacheControl"]; age != "" {
		o.cacheControl = "max-age=" + age
	}
	if own := fields["metadata"]; json.Valid([]byte(own)) {
		o.metadata = json.RawMessage(own)
	}
	u := &upload{
		id:     base64.RawURLEncoding.EncodeToString([]byte(bucketID + "/" + name + "/" + o.version)),
		bucket: bucketID, metadata: metadata, length: length, limit: limit,
		expires: time.Now().Add(s.options.Expiry),
		object:  o, file: s.file(o.version + ".part"), lock: make(chan struct{}, 1),
	}
	if err := os.WriteFile(u.file, nil, 0o600); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads[u.id] = u
	return u, nil
}

// lookup finds an upload that has not expired.
func (s *storage) lookup(id string) (*upload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[id]
	if u == nil {
		return nil, errUploadNotFound
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.done && time.Now().After(u.expires) {
		return nil, errUploadExpired
	}
	return u, nil
}

// take locks an upload. The request that has it is asked to stop, and has until
// the timeout. interrupt, if not nil, does the same to this one.
func (u *upload) take(ctx context.Context, timeout time.Duration, interrupt func()) error {
	select {
	case u.lock <- struct{}{}:
	default:
		u.mu.Lock()
		ask := u.interrupt
		u.mu.Unlock()
		if ask != nil {
			ask()
		}
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case u.lock <- struct{}{}:
		case <-timer.C:
			return errUploadLocked
		case <-ctx.Done():
			return errUploadLocked
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.interrupt = interrupt
	return nil
}

func (u *upload) release() {
	u.mu.Lock()
	u.interrupt = nil
	u.mu.Unlock()
	<-u.lock
}

// append writes what follows the offset. When the body breaks off, as much stays
// as the granularity allows.
func (u *upload) append(body io.Reader, granularity int64) error {
	file, err := os.OpenFile(u.file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(u.offset, io.SeekStart); err != nil {
		return err
	}
	written, err := io.Copy(file, io.LimitReader(body, u.length-u.offset))
	reached := u.offset + written
	if err != nil {
		reached = max(u.offset, reached-reached%granularity)
		err = errors.Join(errUploadBroken, file.Truncate(reached))
	}
	u.offset = reached
	return err
}

// finish makes the object visible.
func (s *storage) finish(u *upload, owner, upsert bool) error {
	if _, err := s.admit(owner, u.bucket, u.object.name, upsert); err != nil {
		return err
	}
	u.object.size = u.length
	if err := os.Rename(u.file, s.file(u.object.version)); err != nil {
		return err
	}
	if err := s.put(u.bucket, u.object); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.done = true
	return nil
}

// abandon forgets an upload.
func (s *storage) abandon(u *upload) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.uploads, u.id)
	return os.Remove(u.file)
}

// parseMetadata reads "key base64,key base64".
func parseMetadata(header string) (map[string]string, error) {
	fields := map[string]string{}
	for pair := range strings.SplitSeq(header, ",") {
		key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		value, err := base64.StdEncoding.DecodeString(encoded)
		if key == "" || err != nil {
			return nil, errUploadMetadata
		}
		fields[key] = string(value)
	}
	return fields, nil
}
