package client

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// objectOf reads what the header of an answer says about the object of key,
// which has size bytes.
func objectOf(key string, size int64, header http.Header) (storage.Object, error) {
	o := storage.Object{Key: key, Size: size}
	var ok bool
	if o.ETag, ok = unquote(header.Get("ETag")); !ok {
		return o, malformed("its etag is %q", header.Get("ETag"))
	}
	crc, err := strconv.ParseUint(header.Get(headerChecksum), 16, 32)
	if err != nil {
		return o, malformed("its checksum is %q", header.Get(headerChecksum))
	}
	o.CRC32C = uint32(crc)
	if o.ModTime, err = time.Parse(time.RFC3339, header.Get(headerModified)); err != nil {
		return o, malformed("its time is %q", header.Get(headerModified))
	}
	if expires := header.Get(headerExpires); expires != "" {
		if o.ExpiresAt, err = time.Parse(time.RFC3339, expires); err != nil {
			return o, malformed("its expiry is %q", expires)
		}
	}
	if header.Get(headerContentType) != "none" {
		o.ContentType = header.Get("Content-Type")
	}
	for name, values := range header {
		if short, ok := strings.CutPrefix(name, headerMeta); ok && len(values) == 1 {
			if o.Metadata == nil {
				o.Metadata = make(map[string]string)
			}
			o.Metadata[strings.ToLower(short)] = values[0]
		}
	}
	return o, nil
}

func quote(etag string) string { return `"` + etag + `"` }

func unquote(value string) (string, bool) {
	etag, ok := strings.CutPrefix(value, `"`)
	if !ok {
		return "", false
	}
	etag, ok = strings.CutSuffix(etag, `"`)
	return etag, ok && etag != ""
}

func tristate(value string) storage.Tristate {
	switch value {
	case "yes":
		return storage.Yes
	case "no":
		return storage.No
	default:
		return storage.Unknown
	}
}
