package supabasetest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
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
	if len(body) >= smallestZipped && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		var zipped bytes.Buffer
		zip := gzip.NewWriter(&zipped)
		// A bytes.Buffer takes everything.
		_, _ = zip.Write(body)
		_ = zip.Close()
		body = zipped.Bytes()
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
