package supervisor

import (
	"io"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// How much of a plugin's last words is kept for the reason of its end.
const (
	tailLines  = 20
	traceLines = 64
	keptLine   = 400 // bytes of each line
)

// pluginLog brings what a plugin writes into the host's log with its level and fields, and remembers the end of it. It is
// safe for concurrent use; memory is bounded by the constants above.
type pluginLog struct {
	logger hclog.Logger

	mu      sync.Mutex
	tail    []string // the last raw lines of stderr
	trace   []string // from the line that announces a panic on
	inPanic bool
}

// stderr takes one line of standard error.
func (l *pluginLog) stderr(line []byte, dropped int) {
	entry := parseLogLine(line)
	crash := l.remember(line, entry)
	if dropped > 0 {
		entry.fields = append(entry.fields, "truncated_bytes", dropped)
	}
	switch {
	case crash:
		entry.level = hclog.Error
	case entry.level == hclog.NoLevel:
		entry.level = hclog.Debug
	}
	l.logger.Log(entry.level, entry.message, entry.fields...)
}

// stdout takes one line of standard output. A plugin has nothing to say there but the handshake, so it is noise.
func (l *pluginLog) stdout(line []byte, dropped int) {
	fields := []any{"stream", "stdout"}
	if dropped > 0 {
		fields = append(fields, "truncated_bytes", dropped)
	}
	l.logger.Debug(strings.ToValidUTF8(string(line), "\ufffd"), fields...)
}

// remember reports whether the line belongs to the trace of a crash.
func (l *pluginLog) remember(line []byte, entry logEntry) (crash bool) {
	kept := strings.ToValidUTF8(string(line[:min(len(line), keptLine)]), "\ufffd")
	l.mu.Lock()
	defer l.mu.Unlock()
	if entry.level == hclog.NoLevel && isPanic(kept) {
		l.inPanic = true
	}
	crash = l.inPanic && entry.level == hclog.NoLevel
	if crash && len(l.trace) < traceLines {
		l.trace = append(l.trace, kept)
	}
	if kept != "" && (entry.level == hclog.NoLevel || entry.level >= hclog.Warn) { // what is less explains no end
		if len(l.tail) == tailLines {
			l.tail = append(l.tail[:0], l.tail[1:]...)
		}
		l.tail = append(l.tail, kept)
	}
	return crash
}

func isPanic(line string) bool {
	for _, begin := range []string{"panic: ", "fatal error: ", "SIGSEGV: ", "SIGABRT: ", "SIGQUIT: ", "unexpected fault address "} {
		if strings.HasPrefix(line, begin) {
			return true
		}
	}
	return false
}

// lastWords is the trace of the crash if there was one, else the last lines.
func (l *pluginLog) lastWords() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.trace) > 0 {
		return append([]string(nil), l.trace...)
	}
	return append([]string(nil), l.tail...)
}

// summary is the one line that says most about why the plugin ended: the panic, or the last line it wrote.
func (l *pluginLog) summary() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.trace) > 0 {
		return l.trace[0]
	}
	if len(l.tail) > 0 {
		return strings.TrimSpace(parseLogLine([]byte(l.tail[len(l.tail)-1])).message)
	}
	return ""
}

func (l *pluginLog) wrote(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.tail {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// lineWriter feeds what arrives in arbitrary pieces to emit, line by line; a line over maxLine is cut. It is for one
// writer at a time.
type lineWriter struct {
	emit    func(line []byte, dropped int)
	line    []byte
	dropped int
}

var _ io.Writer = (*lineWriter)(nil)

func (w *lineWriter) Write(p []byte) (int, error) {
	for _, b := range p {
		switch {
		case b == '\n':
			w.emit(trimEOL(w.line), w.dropped)
			w.line, w.dropped = w.line[:0], 0
		case len(w.line) < maxLine:
			w.line = append(w.line, b)
		default:
			w.dropped++
		}
	}
	return len(p), nil
}
