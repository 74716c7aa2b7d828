package supervisor

import (
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// handshakeLine is what go-plugin's server prints to say where it listens:
// core version | protocol version | network | address | protocol | certificate.
var handshakeLine = regexp.MustCompile(`^\d+\|\d+\|(unix|tcp)\|[^|]+(\|.*)?$`)

// handshake stands between a plugin's stdout and go-plugin, which takes the first line it reads for the handshake. It
// lets exactly one line through, the first that looks like one, and then ends the stream; go-plugin then reads no more.
type handshake struct {
	mu     sync.Mutex
	line   string
	seen   bool
	pipe   *io.PipeWriter
	reader *io.PipeReader
}

func newHandshake() *handshake {
	h := &handshake{}
	h.reader, h.pipe = io.Pipe()
	return h
}

// take reports whether the line is the handshake and, if so, hands it on. It blocks until go-plugin has read it or
// closes its end.
func (h *handshake) take(line []byte) bool {
	text := strings.TrimSpace(string(line))
	h.mu.Lock()
	if h.seen || !handshakeLine.MatchString(text) {
		h.mu.Unlock()
		return false
	}
	h.seen, h.line = true, text
	h.mu.Unlock()
	_, _ = io.WriteString(h.pipe, text+"\n")
	_ = h.pipe.Close()
	return true
}

// end tells go-plugin that no handshake is to come.
func (h *handshake) end() { _ = h.pipe.Close() }

// offered returns what the plugin said it speaks; ok is false before it said so.
func (h *handshake) offered() (core, version int, protocol string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	parts := strings.Split(h.line, "|")
	if len(parts) < 4 {
		return 0, 0, "", false
	}
	core, errCore := strconv.Atoi(parts[0])
	version, errVersion := strconv.Atoi(parts[1])
	if len(parts) > 4 {
		protocol = parts[4]
	}
	return core, version, protocol, errCore == nil && errVersion == nil
}
