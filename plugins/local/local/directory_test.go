package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestDirectoriesThatAreRefused(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, path string)
		code    storage.Code
		message string
	}{
		{"holds something else", func(t *testing.T, path string) {
			write(t, filepath.Join(path, "letter.txt"), "Dear Sir")
		}, storage.CodeInvalidArgument, `holds "letter.txt" and is not a store`},
		{"format of the future", func(t *testing.T, path string) {
			write(t, filepath.Join(path, formatName), "stowage local store\nformat 7\nnew things\n")
		}, storage.CodeUnimplemented, "holds a store of format 7, and this version of the plugin knows format 1"},
		{"damaged format file", func(t *testing.T, path string) {
			write(t, filepath.Join(path, formatName), "\x00\x00\x00")
		}, storage.CodeDataLoss, "is damaged"},
		{"format file without origin", func(t *testing.T, path string) {
			write(t, filepath.Join(path, formatName), "stowage local store\nformat 1\n")
		}, storage.CodeDataLoss, "is damaged"},
		{"store without its index", func(t *testing.T, path string) {
			closeNow(t, openTestDisk(t, DiskOptions{Path: path}))
			if err := os.RemoveAll(filepath.Join(path, indexName)); err != nil {
				t.Fatal(err)
			}
		}, storage.CodeDataLoss, "/index is missing"},
		{"a file", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, "not a directory")
		}, storage.CodeInvalidArgument, "is not a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir()
			tt.prepare(t, path)
			_, err := OpenDisk(t.Context(), DiskOptions{Path: path})
			if err == nil || storage.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.message) {
				t.Fatalf("got %v, want %v with %q", err, tt.code, tt.message)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func closeNow(t *testing.T, b storage.Backend) {
	t.Helper()
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestCreationThatWasCutOffGoesOn(t *testing.T) {
	path := t.TempDir()
	closeNow(t, openTestDisk(t, DiskOptions{Path: path}))
	if err := os.Remove(filepath.Join(path, formatName)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(path, "."+formatName+"123"), "half")
	openTestDisk(t, DiskOptions{Path: path})
}

func TestDirectoryIsCreatedPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	openTestDisk(t, DiskOptions{Path: path})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("the directory has mode %o", mode)
	}
}

func TestLockIsHeldAgainstAnotherProcess(t *testing.T) {
	path := t.TempDir()
	cmd, _ := startChild(t, path)
	_, err := OpenDisk(t.Context(), DiskOptions{Path: path})
	want := fmt.Sprintf("%s is in use by process %d (", path, cmd.Process.Pid)
	if err == nil || storage.CodeOf(err) != storage.CodeUnavailable || !strings.Contains(err.Error(), want) {
		t.Fatalf("got %v, want %q", err, want)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	openTestDisk(t, DiskOptions{Path: path})
}

func TestLockIsHeldWithinTheProcess(t *testing.T) {
	path := t.TempDir()
	first := openTestDisk(t, DiskOptions{Path: path})
	_, err := OpenDisk(t.Context(), DiskOptions{Path: path})
	if err == nil || !strings.Contains(err.Error(), "in use by another backend of this process") {
		t.Fatalf("got %v", err)
	}
	closeNow(t, first)
	openTestDisk(t, DiskOptions{Path: path})
}

func TestHealthNoticesThatTheDirectoryWasRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := openTestDisk(t, DiskOptions{Path: path})
	if err := s.CheckHealth(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckHealth(t.Context()); err == nil || storage.CodeOf(err) != storage.CodeUnavailable {
		t.Fatalf("got %v", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
}
