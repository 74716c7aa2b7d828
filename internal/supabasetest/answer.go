package supabasetest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// smallestZipped is in bytes; the gateway leaves smaller answers alone.
const smallestZipped = 48

// writeJSON answers with a value. Characters of HTML are left as they are, since
// no server here escapes them.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, value any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeText(w, r, status, "application/json; charset=utf-8", bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}

// writeText answers with a whole body, compressed if the client takes that.
func writeText(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	compressible := len(body) >= smallestZipped && !strings.Contains(contentType, "octet-stream")
	if compressible && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = zip(body)
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Vary", "Accept-Encoding")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		// The client may be gone, which is its own business.
		_, _ = w.Write(body)
	}
}

// zip compresses without state, which costs a small answer much less than the
// tables that are otherwise made for each.
func zip(body []byte) []byte {
	var zipped bytes.Buffer
	// Neither the level nor a bytes.Buffer fails.
	writer, _ := gzip.NewWriterLevel(&zipped, gzip.StatelessCompression)
	_, _ = writer.Write(body)
	_ = writer.Close()
	return zipped.Bytes()
}
