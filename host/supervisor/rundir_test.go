package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shortDir is a base as /tmp is one.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rd-") //nolint:usetesting // t.TempDir gives a long path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestRunDir(t *testing.T) {
	base := shortDir(t)
	d, err := OpenRunDir(base)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(d.Path())
	if err != nil || info.Mode().Perm() != 0o700 || filepath.Dir(d.Path()) != base {
		t.Errorf("%s: %v, %v", d.Path(), info.Mode(), err)
	}
	child, err := d.childDir()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(child) + len("/plugin-dir1234567890/plugin1234567890"); n > maxSocketPath {
		t.Errorf("a socket below %s has a path of %d bytes", child, n)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if left := children(t, base); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := d.childDir(); err == nil {
		t.Error("childDir of a closed run directory succeeded")
	}
}

func TestLongestSocketPathFits(t *testing.T) {
	longest := strings.Repeat("b", maxBaseLen) + "/stowage-4194304-1234567890/999999/plugin-dir1234567890/plugin1234567890"
	if len(longest) > maxSocketPath {
		t.Errorf("%d bytes, more than %d", len(longest), maxSocketPath)
	}
}

func TestRunDirChoosesItsBase(t *testing.T) {
	good := shortDir(t)
	long := filepath.Join(good, strings.Repeat("x", 40))
	open := filepath.Join(good, "open")
	for _, dir := range []string{long, open} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	d, err := OpenRunDir(long, open, good+"/missing", "relative", good)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if filepath.Dir(d.Path()) != good {
		t.Errorf("chose %s, want it in %s", d.Path(), good)
	}
	if _, err := OpenRunDir(long, open); err == nil || !strings.Contains(err.Error(), "more than 30 bytes") || !strings.Contains(err.Error(), "sticky") {
		t.Errorf("OpenRunDir: %v", err)
	}
}

func TestSweep(t *testing.T) {
	base := shortDir(t)
	alive, err := OpenRunDir(base)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	mkdir := func(name string, mode os.FileMode, age time.Duration) string {
		path := filepath.Join(base, name)
		if err := os.MkdirAll(path+"/1", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		past := time.Now().Add(-age)
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
		return path
	}
	wantGone := []string{mkdir("stowage-1-11", 0o700, 0), mkdir(".stowage-1-12", 0o700, time.Hour)}
	wantKept := []string{
		alive.Path(), mkdir(".stowage-1-13", 0o700, 0), mkdir("stowage-1-14", 0o755, 0), mkdir("other", 0o700, time.Hour),
	}
	sweep(base, time.Now())
	for _, path := range wantGone {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	for _, path := range wantKept {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestLockOfARunDirIsNotInherited(t *testing.T) {
	h := newHarness(t)
	p := h.start()
	// While the plugin runs, the host lets go of its lock: nobody else may hold it.
	if err := syscall.Flock(int(h.opts.RunDir.lock.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	lock, err := lockDir(h.opts.RunDir.Path())
	if err != nil {
		t.Fatalf("the plugin holds the lock of its host: %v", err)
	}
	_ = lock.Close()
	h.stop(p)
}

func TestOnlyRunDirectoriesAreSwept(t *testing.T) {
	base := t.TempDir()
	for name, swept := range map[string]bool{
		"stowage-12-345": true, ".stowage-12-345": false, // the latter may be about to be locked
		"stowage-data": false, "stowage-demo-123": false, "stowage-12": false, "stowage-12-": false, "stowage-12-3a": false, "other-1-2": false,
	} {
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		sweep(base, time.Now())
		if _, err := os.Stat(dir); os.IsNotExist(err) != swept {
			t.Errorf("%s: gone is %v, want %v", name, os.IsNotExist(err), swept)
		}
	}
}
