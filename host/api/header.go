package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Header fields of our own.
const (
	headerMeta        = "Stowage-Meta-"
	headerTTL         = "Stowage-Ttl"
	headerExpires     = "Stowage-Expires"
	headerModified    = "Stowage-Modified"
	headerChecksum    = "Stowage-Crc32c"
	headerConsistency = "Stowage-Consistency"
	headerSession     = "Stowage-Session"
	headerCreated     = "Stowage-Created"
	headerExisted     = "Stowage-Existed"
	headerCode        = "Stowage-Code"
	// headerContentType is "none" where the Content-Type is not the stored one.
	headerContentType = "Stowage-Content-Type"
)

// single returns the value of a header that may be given once.
func single(header http.Header, name string) (value string, set bool, err error) {
	switch values := header.Values(name); len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	default:
		return "", true, storage.Errorf(storage.CodeInvalidArgument, "the header %s is given %d times", name, len(values))
	}
}

// freshness is what a request says about the versions it has to see.
type freshness struct {
	consistency storage.Consistency
	session     *storage.Session
}

func parseFreshness(header http.Header) (freshness, error) {
	f := freshness{session: new(storage.Session)}
	level, set, err := single(header, headerConsistency)
	if err == nil && set {
		f.consistency, err = storage.ParseConsistency(level)
	}
	if err != nil {
		return f, err
	}
	token, _, err := single(header, headerSession)
	if err != nil {
		return f, err
	}
	return f, f.session.Merge(token)
}

// remember hands the session back to the caller.
func (f freshness) remember(header http.Header) {
	if token := f.session.Token(); token != "" {
		header.Set(headerSession, token)
	}
}

// parsePut reads the options of a PUT.
func parsePut(r *http.Request) (storage.PutOptions, freshness, error) {
	var opts storage.PutOptions
	f, err := parseFreshness(r.Header)
	if err != nil {
		return opts, f, err
	}
	opts.Consistency, opts.Session = f.consistency, f.session
	opts.SizeHint = max(0, r.ContentLength)
	if opts.If, err = parseWriteCondition(r.Header); err != nil {
		return opts, f, err
	}
	if opts.ContentType, _, err = single(r.Header, "Content-Type"); err != nil {
		return opts, f, err
	}
	if opts.TTL, err = parseTTL(r.Header); err != nil {
		return opts, f, err
	}
	opts.Metadata, err = parseMetadata(r.Header)
	return opts, f, err
}

func parseTTL(header http.Header) (time.Duration, error) {
	value, set, err := single(header, headerTTL)
	if err != nil || !set {
		return 0, err
	}
	ttl, err := time.ParseDuration(value)
	if err != nil {
		return 0, storage.Errorf(storage.CodeInvalidArgument, "Stowage-TTL %q is not a duration; write 90s, 15m or 24h", value)
	}
	return ttl, nil
}

func parseMetadata(header http.Header) (map[string]string, error) {
	var metadata map[string]string
	for name := range header {
		short, ok := strings.CutPrefix(name, headerMeta)
		if !ok {
			continue
		}
		value, _, err := single(header, name)
		if err != nil {
			return nil, err
		}
		if metadata == nil {
			metadata = make(map[string]string)
		}
		metadata[strings.ToLower(short)] = value
	}
	return metadata, storage.ValidateCallerMetadata(metadata)
}

// describe sets the headers that every answer about a version carries.
func describe(header http.Header, o storage.Object) {
	header.Set("ETag", quote(o.ETag))
	header.Set("Last-Modified", o.ModTime.UTC().Format(http.TimeFormat))
	header.Set(headerModified, timestamp(o.ModTime))
	header.Set(headerChecksum, checksum(o.CRC32C))
	header.Set("Cache-Control", "no-cache")
	if !o.ExpiresAt.IsZero() {
		header.Set(headerExpires, timestamp(o.ExpiresAt))
	}
}

// represent sets the headers of an answer that carries the value. What was
// stored is not ours: a browser may show it, but must not run it as a page of
// this host.
func represent(header http.Header, o storage.Object) {
	describe(header, o)
	contentType := o.ContentType
	if contentType == "" {
		contentType = "application/octet-stream"
		header.Set(headerContentType, "none")
	}
	header.Set("Content-Type", contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("Accept-Ranges", "bytes")
	for name, value := range callerMetadata(o.Metadata) {
		header.Set(headerMeta+name, value)
	}
}

// callerMetadata leaves out the entries that are Stowage's own. It is never
// nil.
func callerMetadata(metadata map[string]string) map[string]string {
	own := make(map[string]string, len(metadata))
	for name, value := range metadata {
		if !strings.HasPrefix(name, storage.ReservedMetadataPrefix) {
			own[name] = value
		}
	}
	return own
}

func checksum(crc uint32) string { return fmt.Sprintf("%08x", crc) }

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
