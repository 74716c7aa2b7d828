package main

import (
	"path/filepath"
	"testing"
)

func TestJoinNeverLeavesTheDirectory(t *testing.T) {
	t.Parallel()
	for rest, want := range map[string]string{
		"a":         "dir/a",
		"a/b":       "dir/a/b",
		"..a/b..":   "dir/..a/b..",
		`back\`:     `dir/back\`,
		"":          "dir",
		"..":        "",
		"../a":      "",
		"a/../b":    "",
		"a/../../b": "",
		"/a":        "",
		"//a":       "",
		"a//b":      "",
		"a/":        "",
		"./a":       "",
		".":         "",
	} {
		got, err := join("dir", rest, false)
		if got != filepath.FromSlash(want) || (err == nil) != (want != "") {
			t.Errorf("join(dir, %q) = %q, %v; want %q", rest, got, err, want)
		}
	}
}

func TestJoinKeepsKeysAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dst, rest, want string }{
		{"dir", "a", "dir/a"},
		{"dir/", "a", "dir/a"},
		{"", "a", "a"},
		{"", "//a", "//a"},
		{"dir/", "../a", "dir/../a"},
		{"dir", "", "dir"},
	} {
		if got, err := join(c.dst, c.rest, true); got != c.want || err != nil {
			t.Errorf("join(%q, %q) = %q, %v; want %q", c.dst, c.rest, got, err, c.want)
		}
	}
}
