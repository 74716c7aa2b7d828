package trust

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func openStore(t *testing.T) *Store {
	t.Helper()
	s, err := OpenStore(filepath.Join(folder(t), "plugins"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func prepare(t *testing.T, s *Store, path string, want Digest) (string, Digest) {
	t.Helper()
	copied, got, err := s.Prepare(t.Context(), Policy{}, path, want)
	if err != nil {
		t.Fatal(err)
	}
	return copied, got
}

func TestPrepareGivesAPrivateCopyThatRuns(t *testing.T) {
	s := openStore(t)
	path := write(t, folder(t)+"/p", "#!/bin/sh\necho judged\n", 0o755)
	copied, digest := prepare(t, s, path, Digest{})

	// The original is replaced after it was judged: the copy still runs what was judged.
	write(t, path, "#!/bin/sh\necho swapped\n", 0o755)
	if again, _ := prepare(t, s, path, digest); again != copied {
		t.Errorf("second Prepare gave %s, first %s", again, copied)
	}
	out, err := exec.Command(copied).Output()
	if err != nil || string(out) != "judged\n" {
		t.Errorf("copy printed %q, %v", out, err)
	}
	for path, want := range map[string]os.FileMode{s.Dir(): 0o700, copied: 0o500} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

func TestPrepareWorksWithoutTheOriginal(t *testing.T) {
	s := openStore(t)
	path := write(t, folder(t)+"/p", script, 0o755)
	_, digest := prepare(t, s, path, Digest{})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	prepare(t, s, path, digest)
}

func TestPrepareRefusesAReplacedFile(t *testing.T) {
	s := openStore(t)
	path := write(t, folder(t)+"/p", script, 0o755)
	b, err := Policy{}.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	scanned, err := b.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	write(t, path, script+"# evil", 0o755)
	if _, _, err := s.Prepare(t.Context(), Policy{}, path, scanned); !errors.Is(err, &Error{Reason: Changed}) {
		t.Errorf("Prepare: %v, want reason %s", err, Changed)
	}
}

func TestDamagedCopyIsReplaced(t *testing.T) {
	s := openStore(t)
	path := write(t, folder(t)+"/p", script, 0o755)
	copied, digest := prepare(t, s, path, Digest{})
	damage := map[string]func(t *testing.T){
		"other bytes": func(t *testing.T) { write(t, copied, "#!/bin/sh\nexit 9\n", 0o500) },
		"cut short":   func(t *testing.T) { write(t, copied, "#!", 0o500) },
		"other mode":  func(t *testing.T) { chmod(t, copied, 0o644) },
		"removed":     func(t *testing.T) { _ = os.Remove(copied) },
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			chmod(t, copied, 0o700)
			do(t)
			prepare(t, s, path, digest)
			if got, err := os.ReadFile(copied); err != nil || string(got) != script {
				t.Errorf("copy holds %q, %v", got, err)
			}
		})
	}
}

func TestManyPrepareOneBinary(t *testing.T) {
	s := openStore(t)
	path := write(t, folder(t)+"/p", script, 0o755)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, _, err := s.Prepare(t.Context(), Policy{}, path, Digest{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(s.Dir())
	if err != nil || len(entries) != 1 {
		t.Errorf("store holds %d files, %v; want 1", len(entries), err)
	}
}

func TestPrepareStopsWithItsContext(t *testing.T) {
	s := openStore(t)
	path := write(t, folder(t)+"/p", script, 0o755)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Prepare(ctx, Policy{}, path, Digest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Prepare: %v, want %v", err, context.Canceled)
	}
	if entries, _ := os.ReadDir(s.Dir()); len(entries) != 0 {
		t.Errorf("a cancelled copy left %v", entries)
	}
}

func TestOpenStore(t *testing.T) {
	t.Run("tightens the directory and clears old partial copies", func(t *testing.T) {
		dir := folder(t)
		old := write(t, dir+"/"+partialPrefix+"1", "x", 0o600)
		fresh := write(t, dir+"/"+partialPrefix+"2", "x", 0o600)
		past := time.Now().Add(-2 * partialMaxAge)
		if err := os.Chtimes(old, past, past); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenStore(dir); err != nil {
			t.Fatal(err)
		}
		if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
			t.Errorf("mode %v, want 0700", info.Mode().Perm())
		}
		if _, err := os.Stat(old); err == nil {
			t.Error("the old partial copy is still there")
		}
		if _, err := os.Stat(fresh); err != nil {
			t.Error("the partial copy of a living host was removed")
		}
	})
	t.Run("refuses a link", func(t *testing.T) {
		dir := folder(t)
		if err := os.Symlink(dir, dir+"/link"); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenStore(dir + "/link"); err == nil || !strings.Contains(err.Error(), "not a directory") {
			t.Errorf("OpenStore: %v", err)
		}
	})
}

func TestPruneKeepsWhatIsWanted(t *testing.T) {
	s := openStore(t)
	dir := folder(t)
	kept, keep := prepare(t, s, write(t, dir+"/a", script, 0o755), Digest{})
	gone, _ := prepare(t, s, write(t, dir+"/b", script+"#", 0o755), Digest{})
	n, err := s.Prune(func(d Digest) bool { return d == keep })
	if n != 1 || err != nil {
		t.Fatalf("Prune = %d, %v", n, err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(gone); err == nil {
		t.Errorf("%s is still there", gone)
	}
}
