package supervisor

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

// logEntry is one line of a plugin's log. A line that is not structured is all message.
type logEntry struct {
	level   hclog.Level // hclog.NoLevel: not known
	message string
	fields  []any // alternating names and values, in the order of the line
}

// parseLogLine understands the JSON of hclog and of slog, and "[LEVEL] text". A JSON line that was cut off keeps what
// its head holds: the level, the fields before the cut, and the beginning of the value that was cut.
func parseLogLine(line []byte) logEntry {
	if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 && trimmed[0] == '{' {
		if entry, ok := parseJSONLine(trimmed); ok {
			return entry
		}
	}
	text := strings.ToValidUTF8(string(line), "\ufffd")
	entry := logEntry{level: hclog.NoLevel, message: text}
	if rest, ok := strings.CutPrefix(text, "["); ok {
		if name, after, ok := strings.Cut(rest, "]"); ok {
			if level := hclog.LevelFromString(name); level != hclog.NoLevel && level != hclog.Off {
				entry.level, entry.message = level, strings.TrimSpace(after)
			}
		}
	}
	return entry
}

// parseJSONLine reports false for an object that has neither level nor message: that is data, not a log entry.
func parseJSONLine(line []byte) (logEntry, bool) {
	entry := logEntry{level: hclog.NoLevel}
	known := false
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil { // the brace
		return entry, false
	}
	for dec.More() {
		token, err := dec.Token()
		key, isKey := token.(string)
		if err != nil || !isKey {
			break
		}
		var value any
		rest := line[dec.InputOffset():]
		if err := dec.Decode(&value); err != nil {
			head, ok := cutString(rest)
			if !ok {
				break
			}
			known = entry.set(key, head) || known
			break
		}
		known = entry.set(key, value) || known
	}
	return entry, known
}

// set takes one member of the object and reports whether it marks the object as a log entry.
func (e *logEntry) set(key string, value any) bool {
	text, isText := value.(string)
	switch key {
	case "@level", "level":
		if level := levelOf(text); isText && e.level == hclog.NoLevel && level != hclog.NoLevel {
			e.level = level
			return true
		}
	case "@message", "msg", "message":
		if isText && e.message == "" {
			e.message = text
			return true
		}
	case "@timestamp", "time":
		key = "timestamp"
	}
	e.fields = append(e.fields, key, value)
	return false
}

// levelOf also understands slog's "ERROR+2".
func levelOf(name string) hclog.Level {
	if i := strings.IndexAny(name, "+-"); i > 0 {
		name = name[:i]
	}
	level := hclog.LevelFromString(name)
	if level == hclog.Off {
		return hclog.NoLevel
	}
	return level
}

// cutString recovers the beginning of a JSON string whose end is missing. rest starts after the member's name.
func cutString(rest []byte) (string, bool) {
	rest = bytes.TrimLeft(rest, ": \t")
	if len(rest) == 0 || rest[0] != '"' {
		return "", false
	}
	// The cut may lie within an escape (at most 12 bytes, a surrogate pair) or a UTF-8 sequence.
	for cut := 0; cut <= 12 && len(rest)-cut >= 1; cut++ {
		body := rest[:len(rest)-cut]
		if r, size := utf8.DecodeLastRune(body); r == utf8.RuneError && size == 1 {
			continue
		}
		var text string
		if err := json.Unmarshal(append(bytes.Clone(body), '"'), &text); err == nil {
			return text, true
		}
	}
	return "", false
}
