package main

import (
	"testing"
	"time"
)

func TestPrintableQuotesWhatDisturbsALine(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"models/a.bin":  "models/a.bin",
		"ünï code":      "ünï code",
		"a/../b":        "a/../b",
		"":              "",
		" leading":      `" leading"`,
		"trailing ":     `"trailing "`,
		`say "hi"`:      `"say \"hi\""`,
		`back\slash`:    `"back\\slash"`,
		"two\nlines":    `"two\nlines"`,
		"\x1b[31mred":   `"\x1b[31mred"`,
		"right\u202eto": `"right\u202eto"`,
	} {
		if got := printable(key); got != want {
			t.Errorf("printable(%q) = %s, want %s", key, got, want)
		}
	}
}

func TestHarmlessKeepsTextAndSpellsOutControls(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"it is “fine”\n\tsecond line": "it is “fine”\n\tsecond line",
		"\x1b]0;title\a":              `\x1b]0;title\a`,
		"over\rwritten":               `over\rwritten`,
		"\u009b31m":                   `\u009b31m`,
		"it's":                        "it's",
		"\xff":                        "\ufffd",
	} {
		if got := harmless(text); got != want {
			t.Errorf("harmless(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "-", 1500 * time.Nanosecond: "1 µs", 999 * time.Microsecond: "999 µs",
		1400 * time.Microsecond: "1.4 ms", 2500 * time.Millisecond: "2.5 s",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%d) = %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 << 30: "5.0 GiB", 1<<63 - 1: "8.0 EiB"} {
		if got := bytes(n); got != want {
			t.Errorf("bytes(%d) = %s, want %s", n, got, want)
		}
	}
}
