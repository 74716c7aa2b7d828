package supervisor

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestNoiseOnStdout(t *testing.T) {
	h := newHarness(t)
	p := h.start("noise=2000", "noise-after=2000")
	for _, line := range []string{
		"noise 1999 before the handshake | with | bars | in it",
		"noise 1999 after the handshake",
		"noise 1999 through os.Stdout",
	} {
		await(t, "log of "+line, 5*time.Second, func() bool { return len(h.log.find(line)) == 1 })
		if e := h.log.find(line)[0]; e["@level"] != "debug" || e["stream"] != "stdout" {
			t.Errorf("%v", e)
		}
	}
	client, _, err := p.Client()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Health(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLogOfAPluginArrives(t *testing.T) {
	huge := strings.Repeat("x", 200<<10)
	lines := []string{
		`{"@level":"warn","@message":"disk is filling","@module":"test.disk","@timestamp":"2026-01-02T03:04:05.000000Z","free":12,"path":"/data"}`,
		`{"time":"2026-01-02T03:04:05Z","level":"ERROR","msg":"from slog","key":"a/b"}`,
		`{"@level":"info","@message":"` + huge + `","@module":"test","after":1}`,
		`[INFO] prefixed`,
		"plain text \xff",
		`{"just":"data"}`,
		huge,
		"the last line",
	}
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHarness(t)
	h.start("log=" + file)
	await(t, "the last line", 5*time.Second, func() bool { return len(h.log.find("the last line")) == 1 })

	one := func(text string) map[string]any {
		t.Helper()
		found := h.log.find(text)
		if len(found) != 1 {
			t.Fatalf("%d entries with %.40q, want 1", len(found), text)
		}
		return found[0]
	}
	if e := one("disk is filling"); e["@level"] != "warn" || e["free"] != 12.0 || e["path"] != "/data" || e["timestamp"] != "2026-01-02T03:04:05.000000Z" {
		t.Errorf("hclog: %v", e)
	}
	if e := one("from slog"); e["@level"] != "error" || e["key"] != "a/b" {
		t.Errorf("slog: %v", e)
	}
	if e := one("prefixed"); e["@level"] != "info" || e["@message"] != "prefixed" {
		t.Errorf("prefix: %v", e)
	}
	if e := one("plain text"); e["@level"] != "debug" {
		t.Errorf("plain: %v", e)
	}
	if e := one(`{"just":"data"}`); e["@level"] != "debug" {
		t.Errorf("data: %v", e)
	}
	cut := h.log.find("xxxxxxxxxx")
	if len(cut) != 2 {
		t.Fatalf("%d entries for two long lines, want 2", len(cut))
	}
	for i, level := range []string{"info", "debug"} {
		message, _ := cut[i]["@message"].(string)
		dropped, _ := cut[i]["truncated_bytes"].(float64)
		if cut[i]["@level"] != level || len(message) > maxLine || dropped < float64(len(huge)-maxLine) {
			t.Errorf("long line %d: level %v, %d bytes, %v dropped", i, cut[i]["@level"], len(message), dropped)
		}
	}
}

func TestReadLines(t *testing.T) {
	long := strings.Repeat("y", maxLine)
	tests := []struct{ name, in, want string }{
		{"none", "", ""},
		{"two", "a\nb\n", "a+0 b+0 "},
		{"without an end", "a\nb", "a+0 b+0 "},
		{"windows", "a\r\nb\r\n", "a+0 b+0 "},
		{"empty lines", "\n\na\n", "+0 +0 a+0 "},
		{"longer than the buffer", long + "tail\nnext\n", long + "+4 next+0 "},
		{"exactly the buffer", long + "\nnext\n", long + "+0 next+0 "},
		{"much longer, without an end", long + long + long, fmt.Sprintf("%s+%d ", long, 2*maxLine)},
	}
	for _, tt := range tests {
		for kind, r := range map[string]io.Reader{"at once": strings.NewReader(tt.in), "bytewise": iotest.OneByteReader(strings.NewReader(tt.in))} {
			t.Run(tt.name+" "+kind, func(t *testing.T) {
				var got strings.Builder
				readLines(r, func(line []byte, dropped int) { fmt.Fprintf(&got, "%s+%d ", line, dropped) })
				if got.String() != tt.want {
					t.Errorf("%d bytes, want %d: %.80q", got.Len(), len(tt.want), got.String())
				}
			})
		}
		t.Run(tt.name+" through a writer", func(t *testing.T) {
			if !strings.HasSuffix(tt.in, "\n") {
				t.Skip("a writer does not know of an end")
			}
			var got strings.Builder
			w := &lineWriter{emit: func(line []byte, dropped int) { fmt.Fprintf(&got, "%s+%d ", line, dropped) }}
			if n, err := io.Copy(w, iotest.HalfReader(strings.NewReader(tt.in))); err != nil || n != int64(len(tt.in)) {
				t.Fatal(n, err)
			}
			if got.String() != tt.want {
				t.Errorf("%d bytes, want %d: %.80q", got.Len(), len(tt.want), got.String())
			}
		})
	}
}

func TestParseLogLine(t *testing.T) {
	tests := []struct {
		name, line string
		want       logEntry
	}{
		{"text", "hello", logEntry{hclog.NoLevel, "hello", nil}},
		{"bracket that is no level", "[1] hello", logEntry{hclog.NoLevel, "[1] hello", nil}},
		{"off is no level", "[OFF] hello", logEntry{hclog.NoLevel, "[OFF] hello", nil}},
		{"broken JSON", `{"@level`, logEntry{hclog.NoLevel, `{"@level`, nil}},
		{"JSON that is no entry", `{"a":1}`, logEntry{hclog.NoLevel, `{"a":1}`, nil}},
		{"message that is no text", `{"msg":1}`, logEntry{hclog.NoLevel, `{"msg":1}`, nil}},
		{"level that is none", `{"level":"loud","msg":"x"}`, logEntry{hclog.NoLevel, "x", []any{"level", "loud"}}},
		{"slog's levels between", `{"level":"WARN+1","msg":"x"}`, logEntry{hclog.Warn, "x", nil}},
		{"nested", `{"level":"INFO","msg":"x","g":{"a":[true]}}`, logEntry{hclog.Info, "x", []any{"g", map[string]any{"a": []any{true}}}}},
		{"order is kept", `{"level":"INFO","z":"1","a":"2"}`, logEntry{hclog.Info, "", []any{"z", "1", "a", "2"}}},
		{"cut in the message", `{"@level":"error","@message":"begi`, logEntry{hclog.Error, "begi", nil}},
		{"cut within an escape", `{"@level":"error","@message":"begi\u00`, logEntry{hclog.Error, "begi", nil}},
		{"cut after a backslash", `{"@level":"error","@message":"begi\`, logEntry{hclog.Error, "begi", nil}},
		{"cut within a rune", "{\"@level\":\"error\",\"@message\":\"begi\xc3", logEntry{hclog.Error, "begi", nil}},
		{"cut in a field", `{"@level":"error","@message":"m","k":"val`, logEntry{hclog.Error, "m", []any{"k", "val"}}},
		{"cut in a number", `{"@level":"error","@message":"m","k":{"a`, logEntry{hclog.Error, "m", nil}},
		{"cut in a name", `{"@level":"error","@message":"m","k`, logEntry{hclog.Error, "m", nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseLogLine([]byte(tt.line)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func FuzzParseLogLine(f *testing.F) {
	f.Add([]byte(`{"@level":"error","@message":"m","k":"v"}`))
	f.Add([]byte(`{"time":"t","level":"WARN+1","msg":"x","a":{"b":[1,2.5]}}`))
	f.Add([]byte(`[WARN] x`))
	f.Fuzz(func(t *testing.T, line []byte) {
		whole := parseLogLine(line)
		if len(whole.fields)%2 != 0 {
			t.Errorf("odd number of fields: %v", whole.fields)
		}
		hclog.New(&hclog.LoggerOptions{Output: io.Discard, JSONFormat: true}).Log(hclog.Error, whole.message, whole.fields...)
	})
}

func TestHandshakeLine(t *testing.T) {
	tests := map[string]bool{
		"1|1|unix|/tmp/s|grpc|":           true,
		"1|1|unix|/tmp/s|grpc":            true,
		"1|7|tcp|127.0.0.1:1|grpc|cert|x": true,
		"1|1|unix|/tmp/s":                 true,
		"noise 1|1|unix|/tmp/s|grpc|":     false,
		"1|1|unix||grpc|":                 false,
		"1|1|udp|x|grpc|":                 false,
		"a | b | c | d":                   false,
		"":                                false,
	}
	for line, want := range tests {
		h := newHandshake()
		got := make(chan bool, 1)
		go func() { got <- h.take([]byte(line)); h.end() }()
		read, err := io.ReadAll(h.reader)
		if err != nil {
			t.Fatal(err)
		}
		if taken := <-got; taken != want || bytes.Equal(read, []byte(line+"\n")) != want {
			t.Errorf("%q: taken %v, handed on %q; want %v", line, taken, read, want)
		}
	}
}
