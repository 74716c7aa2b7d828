package discovery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/trust"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const script = "#!/bin/sh\nexit 0\n"

func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range files {
		put(t, filepath.Join(dir, file), script, 0o755)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func put(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func scan(t *testing.T, s *Scanner) Result {
	t.Helper()
	result, err := s.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestScanReportsEveryEntry(t *testing.T) {
	dir := folder(t, "stowage-plugin-local", "stowage-plugin-local_1.2.0", "stowage-plugin-cache_2", "README.md",
		".stowage-plugin-hidden", "stowage-plugin-x.tmp", "stowage-plugin-Big", "stowage-plugin-", "stowage-plugin-y~")
	put(t, dir+"/stowage-plugin-noexec", script, 0o644)
	put(t, dir+"/stowage-plugin-open", script, 0o757)
	if err := os.Mkdir(dir+"/stowage-plugin-dir", 0o755); err != nil {
		t.Fatal(err)
	}
	result := scan(t, New(Options{Dirs: []string{dir}}))

	wantCandidates := map[string]struct {
		name, version string
		reason        trust.Reason
	}{
		"stowage-plugin-local":       {name: "local"},
		"stowage-plugin-local_1.2.0": {name: "local", version: "1.2.0"},
		"stowage-plugin-cache_2":     {name: "cache_2"},
		"stowage-plugin-noexec":      {name: "noexec", reason: trust.NotExecutable},
		"stowage-plugin-open":        {name: "open", reason: trust.WorldWritable},
		"stowage-plugin-dir":         {name: "dir", reason: trust.NotRegular},
	}
	for _, c := range result.Candidates {
		file := filepath.Base(c.Path)
		want, ok := wantCandidates[file]
		if !ok {
			t.Errorf("unexpected candidate %s", file)
			continue
		}
		delete(wantCandidates, file)
		if c.Name != want.name || c.FileVersion != want.version || c.Dir != dir {
			t.Errorf("%s: %+v, want name %q version %q", file, c, want.name, want.version)
		}
		if want.reason == "" && (c.Err != nil || c.Digest.IsZero()) {
			t.Errorf("%s: err %v, digest %s; want it fit to launch", file, c.Err, c.Digest)
		}
		if want.reason != "" && (!errors.Is(c.Err, &trust.Error{Reason: want.reason}) || !c.Digest.IsZero()) {
			t.Errorf("%s: err %v, want reason %s", file, c.Err, want.reason)
		}
	}
	for file := range wantCandidates {
		t.Errorf("%s was not reported as a candidate", file)
	}

	wantSkipped := map[string]string{
		"README.md":              "does not begin with",
		".stowage-plugin-hidden": "hidden",
		"stowage-plugin-x.tmp":   "temporary or partial",
		"stowage-plugin-y~":      "temporary or partial",
		"stowage-plugin-Big":     "not a plugin name",
		"stowage-plugin-":        "not a plugin name",
	}
	for _, s := range result.Skipped {
		want, ok := wantSkipped[filepath.Base(s.Path)]
		if !ok || !strings.Contains(s.Reason, want) {
			t.Errorf("%s skipped because %q, want %q", s.Path, s.Reason, want)
		}
		delete(wantSkipped, filepath.Base(s.Path))
	}
	for file := range wantSkipped {
		t.Errorf("%s was passed over in silence", file)
	}
}

func TestScanReportsFolders(t *testing.T) {
	good := folder(t, "stowage-plugin-a")
	missing := filepath.Join(good, "missing")
	crowded := folder(t, "stowage-plugin-b", "stowage-plugin-c", "stowage-plugin-d")
	link := filepath.Join(folder(t), "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	result := scan(t, New(Options{Dirs: []string{good, missing, crowded, link}, MaxEntries: 2}))
	if len(result.Folders) != 4 {
		t.Fatalf("%d folder reports, want 4", len(result.Folders))
	}
	if r := result.Folders[0]; r.Err != nil || r.Candidates != 1 {
		t.Errorf("good folder: %+v", r)
	}
	if r := result.Folders[1]; !errors.Is(r.Err, fs.ErrNotExist) || !strings.Contains(r.Err.Error(), missing) {
		t.Errorf("missing folder: %+v", r)
	}
	if r := result.Folders[2]; r.Candidates != 2 || r.Err == nil || !strings.Contains(r.Err.Error(), "more than 2") {
		t.Errorf("crowded folder: %+v", r)
	}
	if r := result.Folders[3]; r.Err == nil || !strings.Contains(r.Err.Error(), "same folder") {
		t.Errorf("folder given twice: %+v", r)
	}
	if len(result.Candidates) != 3 {
		t.Errorf("%d candidates, want 3", len(result.Candidates))
	}
}

func TestScanAgainSeesChanges(t *testing.T) {
	dir := folder(t, "stowage-plugin-a")
	path := dir + "/stowage-plugin-a"
	s := New(Options{Dirs: []string{dir}})
	first := scan(t, s).Candidates[0].Digest

	// Same size, modification time set back: the change time gives it away, or the fresh file is simply hashed again.
	put(t, path, "#!/bin/sh\nexit 1\n", 0o755)
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, past, past); err != nil {
		t.Fatal(err)
	}
	if second := scan(t, s).Candidates[0].Digest; second == first {
		t.Error("a rewritten file kept its digest")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if c := scan(t, s).Candidates[0]; !errors.Is(c.Err, &trust.Error{Reason: trust.NotExecutable}) {
		t.Errorf("after chmod: %v", c.Err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := scan(t, s).Candidates; len(got) != 0 {
		t.Errorf("after removal: %v", got)
	}
}

func TestScanReusesDigestsOfSettledFiles(t *testing.T) {
	path := folder(t, "stowage-plugin-a") + "/stowage-plugin-a"
	b, err := trust.Policy{}.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	stamp := b.Stamp()
	_ = b.Close()
	remembered := trust.Digest{1, 2, 3}
	cache := digestCache{known: map[trust.Stamp]trust.Digest{stamp: remembered}, seen: map[trust.Stamp]trust.Digest{}}
	if got, err := cache.of(t.Context(), trust.Policy{}, path); err != nil || got != remembered {
		t.Errorf("of = %s, %v; want the remembered digest", got, err)
	}
	fresh := digestCache{seen: map[trust.Stamp]trust.Digest{}}
	if _, err := fresh.of(t.Context(), trust.Policy{}, path); err != nil || len(fresh.seen) != 0 {
		t.Errorf("a file changed a moment ago was remembered: %v, %v", fresh.seen, err)
	}
}

func TestScanStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(Options{Dirs: []string{folder(t, "stowage-plugin-a")}}).Scan(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Scan: %v, want %v", err, context.Canceled)
	}
}

func TestParseFileName(t *testing.T) {
	tests := []struct{ file, name, version string }{
		{"stowage-plugin-local", "local", ""},
		{"stowage-plugin-local_1.2.0", "local", "1.2.0"},
		{"stowage-plugin-local_v2.0.0-rc.1", "local", "v2.0.0-rc.1"},
		{"stowage-plugin-a_b_1.0.0+build.7", "a_b", "1.0.0+build.7"},
		{"stowage-plugin-cache_2", "cache_2", ""},
		{"stowage-plugin-9p", "9p", ""},
		{"stowage-plugin-" + strings.Repeat("x", 64), strings.Repeat("x", 64), ""},
		{"stowage-plugin-" + strings.Repeat("x", 65), "", ""},
		{"stowage-plugin-_1.2.0", "", ""},
		{"stowage-plugin--x", "", ""},
		{"stowage-plugin-ü", "", ""},
	}
	for _, tt := range tests {
		name, version, why := parseFileName(tt.file)
		if name != tt.name || version != tt.version || (why == "") != (tt.name != "") {
			t.Errorf("parseFileName(%q) = %q, %q, %q; want %q, %q", tt.file, name, version, why, tt.name, tt.version)
		}
	}
}
