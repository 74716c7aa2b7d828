package supabasetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// find returns an object that the request may see.
func (s *storage) find(r storageRequest, bucketID, name string) (*object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(r, bucketID, name)
}

func (s *storage) findLocked(r storageRequest, bucketID, name string) (*object, error) {
	b := s.buckets[bucketID]
	if b == nil || b.objects[name] == nil || !r.owner {
		return nil, errNoSuchKey()
	}
	return b.objects[name], nil
}

// open also opens the file before anyone can replace it.
func (s *storage) open(r storageRequest, bucketID, name string) (*object, *os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[bucketID] == nil {
		return nil, nil, errNoSuchBucket()
	}
	o, err := s.findLocked(r, bucketID, name)
	if err != nil {
		return nil, nil, err
	}
	file, err := os.Open(s.file(o.version))
	return o, file, err
}

// download answers GET and HEAD with the object or a range of it.
func (s *storage) download(w http.ResponseWriter, r storageRequest, bucketID, name string) error {
	o, file, err := s.open(r, bucketID, name)
	if err != nil {
		return err
	}
	defer file.Close()
	header := w.Header()
	header.Set("Etag", o.etag)
	header.Set("Last-Modified", o.updated.UTC().Format(http.TimeFormat))
	header.Set("Cache-Control", o.cacheControl)
	if r.Header.Get("If-None-Match") == o.etag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	first, length, ranged := parseRange(r.Header.Get("Range"), o.size)
	if ranged && length <= 0 {
		clear(header)
		return errInvalidRange()
	}
	header.Set("Accept-Ranges", "bytes")
	header.Set("Content-Type", harmless(o.contentType))
	header.Set("Content-Length", strconv.FormatInt(length, 10))
	status := http.StatusOK
	if ranged {
		status = http.StatusPartialContent
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, first+length-1, o.size))
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	// An error here is the client's going, or a fault's.
	_, _ = io.Copy(w, io.NewSectionReader(file, first, length))
	return nil
}

// harmless keeps browsers from running what a user uploaded.
func harmless(contentType string) string {
	if strings.Contains(contentType, "text/html") {
		return "text/plain"
	}
	return contentType
}

// parseRange reads one range of bytes; what it cannot read is ignored, as in S3.
// A length of zero cannot be satisfied.
func parseRange(header string, size int64) (first, length int64, ranged bool) {
	spec, found := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(spec, "-")
	if !found || !dash {
		return 0, size, false
	}
	last := size - 1
	var errFrom, errTo error
	switch from {
	case "":
		var suffix int64
		suffix, errTo = strconv.ParseInt(to, 10, 64)
		first = max(0, size-suffix)
	default:
		first, errFrom = strconv.ParseInt(from, 10, 64)
		if to != "" {
			last, errTo = strconv.ParseInt(to, 10, 64)
			last = min(last, size-1)
		}
	}
	if errors.Join(errFrom, errTo) != nil {
		return 0, size, false
	}
	return first, last - first + 1, true
}

// info tells what is known of an object, and for one that is missing what a HEAD
// cannot.
func (s *storage) info(w http.ResponseWriter, r storageRequest, bucketID, name string) error {
	o, err := s.find(r, bucketID, name)
	if err != nil {
		return err
	}
	w.Header().Set("Etag", o.etag)
	w.Header().Set("Cache-Control", "no-cache")
	writeJSON(w, r.Request, http.StatusOK, struct {
		ID           string          `json:"id"`
		Name         string          `json:"name"`
		Version      string          `json:"version"`
		Bucket       string          `json:"bucket_id"`
		Size         int64           `json:"size"`
		ContentType  string          `json:"content_type"`
		CacheControl string          `json:"cache_control"`
		ETag         string          `json:"etag"`
		Metadata     json.RawMessage `json:"metadata"`
		LastModified timestamp       `json:"last_modified"`
		Created      timestamp       `json:"created_at"`
	}{
		o.id, o.name, o.version, bucketID, o.size, o.contentType, o.cacheControl, o.etag,
		o.metadata, timestamp(o.updated), timestamp(o.created),
	})
	return nil
}

// objectMetadata is what lists tell about an object's bytes.
type objectMetadata struct {
	ETag           string    `json:"eTag"`
	Size           int64     `json:"size"`
	MimeType       string    `json:"mimetype"`
	CacheControl   string    `json:"cacheControl"`
	LastModified   timestamp `json:"lastModified"`
	ContentLength  int64     `json:"contentLength"`
	HTTPStatusCode int       `json:"httpStatusCode"`
}

func (o *object) describe() *objectMetadata {
	return &objectMetadata{
		ETag: o.etag, Size: o.size, MimeType: o.contentType, CacheControl: o.cacheControl,
		LastModified: timestamp(o.updated.Truncate(time.Second)), ContentLength: o.size, HTTPStatusCode: http.StatusOK,
	}
}
