package supabasetest

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// object is not changed once it is in a bucket.
type object struct {
	id, version  string
	name         string
	size         int64
	etag         string // with its quotes
	contentType  string
	cacheControl string
	metadata     json.RawMessage // the client's own, or nil
	created      time.Time
	updated      time.Time
}

// incoming is what a client says about an object.
type incoming struct {
	body         io.Reader
	contentType  string
	cacheControl string
	metadata     json.RawMessage
}

func (s *storage) file(version string) string { return filepath.Join(s.dir, version) }

// uuid is a random one, of version 4.
func uuid() string {
	var b [16]byte
	// It never fails.
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// admit checks whether an object may be put there, and returns its limit in
// bytes.
func (s *storage) admit(owner bool, bucketID, name string, upsert bool) (limit int64, err error) {
	if !validName(name) {
		return 0, errInvalidKey(name)
	}
	const longest = 1024 // of a key in S3
	if len(name) > longest {
		return 0, errInternal("Internal Server Error")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucketID]
	switch {
	case b == nil:
		return 0, errNoSuchBucket()
	case !owner:
		return 0, errRowSecurity()
	case b.objects[name] != nil && !upsert:
		return 0, errDuplicate("KeyAlreadyExists")
	}
	limit = s.limit
	if b.Limit != nil {
		limit = min(limit, *b.Limit)
	}
	return limit, nil
}

// upload takes a body in and then puts the object into its place. That it is not
// there already is checked before and not then: of uploads at the same time more
// than one succeeds, and the last stays, as with the real server.
func (s *storage) upload(w http.ResponseWriter, r storageRequest, bucketID, name string, upsert bool) error {
	limit, err := s.admit(r.owner, bucketID, name, upsert)
	if err != nil {
		return err
	}
	if r.ContentLength > limit {
		return errTooLarge()
	}
	content, err := openIncoming(r.Request)
	if err != nil {
		return err
	}
	o := &object{
		version: uuid(), name: name, contentType: content.contentType,
		cacheControl: content.cacheControl, metadata: content.metadata,
	}
	if o.size, o.etag, err = s.receive(content.body, o.version, limit); err != nil {
		return err
	}
	if err := s.put(bucketID, o); err != nil {
		return err
	}
	writeJSON(w, r.Request, http.StatusOK, struct {
		Key string
		ID  string `json:"Id"`
	}{bucketID + "/" + name, o.id})
	return nil
}

// receive keeps nothing of a body that is too long or ends too early.
func (s *storage) receive(body io.Reader, version string, limit int64) (size int64, etag string, err error) {
	file, err := os.Create(s.file(version))
	if err != nil {
		return 0, "", err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	sum := md5.New()
	size, err = io.Copy(io.MultiWriter(file, sum), io.LimitReader(body, limit+1))
	if err != nil {
		return 0, "", err
	}
	if size > limit {
		return 0, "", errTooLarge()
	}
	return size, `"` + hex.EncodeToString(sum.Sum(nil)) + `"`, nil
}

// put makes an object visible in place of an older one.
func (s *storage) put(bucketID string, o *object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucketID]
	if b == nil {
		return errors.Join(errNoSuchBucket(), os.Remove(s.file(o.version)))
	}
	o.updated = time.Now()
	o.id, o.created = uuid(), o.updated
	if old := b.objects[o.name]; old != nil {
		o.id, o.created = old.id, old.created
		s.dropLocked(b, o.name)
	}
	b.objects[o.name] = o
	return nil
}

// dropLocked removes an object. Downloads that have begun go on.
func (s *storage) dropLocked(b *bucket, name string) {
	o := b.objects[name]
	delete(b.objects, name)
	// The whole directory goes in the end.
	_ = os.Remove(s.file(o.version))
}

// drop removes objects and returns those that there were.
func (s *storage) drop(r storageRequest, bucketID string, names []string) []*object {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucketID]
	if b == nil || !r.owner {
		return nil
	}
	var dropped []*object
	for _, name := range names {
		if o := b.objects[name]; o != nil {
			dropped = append(dropped, o)
			s.dropLocked(b, name)
		}
	}
	return dropped
}

func (s *storage) remove(w http.ResponseWriter, r storageRequest, bucketID, name string) error {
	if len(s.drop(r, bucketID, []string{name})) == 0 {
		return errNoSuchKey()
	}
	writeJSON(w, r.Request, http.StatusOK, message{"Successfully deleted"})
	return nil
}

// openIncoming reads a plain body, or the file of a form as browsers send it.
func openIncoming(r *http.Request) (incoming, error) {
	content := incoming{
		body: r.Body, contentType: r.Header.Get("Content-Type"), cacheControl: r.Header.Get("Cache-Control"),
	}
	if encoded := r.Header.Get("X-Metadata"); encoded != "" {
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		if err == nil && json.Valid(decoded) {
			content.metadata = decoded
		}
	}
	kind, _, err := mime.ParseMediaType(content.contentType)
	switch {
	case content.contentType == "":
		content.contentType = "application/octet-stream"
	case err == nil && kind == "multipart/form-data":
		content.contentType = ""
		if err := content.openForm(r); err != nil {
			return incoming{}, err
		}
	}
	if content.cacheControl == "" {
		content.cacheControl = "no-cache"
	}
	return content, nil
}

// openForm stops at the file; what follows it is not read.
func (c *incoming) openForm(r *http.Request) error {
	const longestField = 64 << 10
	form, err := r.MultipartReader()
	if err != nil {
		return errInvalidRequest(err.Error())
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return errInvalidRequest("No content provided")
		}
		if err != nil {
			return err
		}
		if part.FileName() != "" {
			c.body = part
			if c.contentType = part.Header.Get("Content-Type"); c.contentType == "" {
				c.contentType = "application/octet-stream"
			}
			return nil
		}
		value, err := io.ReadAll(io.LimitReader(part, longestField))
		if err != nil {
			return err
		}
		switch part.FormName() {
		case "cacheControl":
			c.cacheControl = "max-age=" + strings.TrimPrefix(string(value), "max-age=")
		case "metadata":
			if json.Valid(value) {
				c.metadata = value
			}
		}
	}
}
