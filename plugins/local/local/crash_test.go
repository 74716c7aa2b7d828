package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const (
	childPath    = "STOWAGE_LOCAL_TEST_PATH"
	childWriters = 8
	childKeys    = 12 // of each writer
)

// runChild writes to the store at path until it is killed, and prints every
// acknowledged write.
func runChild(path string) int {
	b, err := OpenDisk(context.Background(), DiskOptions{Path: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("open")
	var group sync.WaitGroup
	for writer := range childWriters {
		group.Go(func() {
			for sequence := uint64(1); ; sequence++ {
				key := fmt.Sprintf("%d/%d", writer, sequence%childKeys)
				var err error
				if sequence%7 == 0 {
					_, err = b.Delete(context.Background(), key, storage.DeleteOptions{})
				} else {
					_, err = b.Put(context.Background(), key, bytes.NewReader(childValue(key, sequence)), storage.PutOptions{})
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				fmt.Println(key, sequence) // one write call, whole lines
			}
		})
	}
	group.Wait()
	return 1
}

// childValue is what the child writes to key as its sequence-th write: a value
// in the index or in a file that tells which one it is.
func childValue(key string, sequence uint64) []byte {
	sizes := []int{100, 5000, DefaultInlineLimit, DefaultInlineLimit + 1, 300_000}
	value := make([]byte, sizes[sequence%uint64(len(sizes))])
	source := rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%-20s%12d", key, sequence)))
	_, _ = source.Read(value[8:])
	binary.BigEndian.PutUint64(value, sequence)
	return value
}

func startChild(t *testing.T, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || lines.Text() != "open" {
		t.Fatalf("the child said %q", lines.Text())
	}
	return cmd, lines
}

func TestAcknowledgedWritesSurviveSIGKILL(t *testing.T) {
	path := t.TempDir()
	lost := false
	for round := range 5 {
		cmd, lines := startChild(t, path)
		acknowledged := make(map[string]uint64)
		for n := 0; lines.Scan(); n++ {
			var key string
			var sequence uint64
			if _, err := fmt.Sscan(lines.Text(), &key, &sequence); err != nil {
				t.Fatalf("the child said %q: %v", lines.Text(), err)
			}
			acknowledged[key] = sequence
			if n == 150+100*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		if len(acknowledged) < childWriters {
			t.Fatalf("only %d keys were written", len(acknowledged))
		}
		lost = checkAfterCrash(t, path, acknowledged) || lost
	}
	if !lost {
		t.Log("no crash left a file behind; the removal of orphans was not exercised")
	}
}

// checkAfterCrash opens the store and reports whether there were orphans.
func checkAfterCrash(t *testing.T, path string, acknowledged map[string]uint64) (orphans bool) {
	t.Helper()
	s, err := openDisk(t.Context(), DiskOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	for key, sequence := range acknowledged {
		reader, err := s.Get(t.Context(), key, storage.GetOptions{})
		var value []byte
		if err == nil {
			value, err = reader.Bytes()
		}
		if err != nil {
			if storage.CodeOf(err) == storage.CodeNotFound && (sequence%7 == 0 || (sequence+childKeys)%7 == 0) {
				continue // the delete, or the one after, of which nobody heard
			}
			t.Errorf("%s: write %d is acknowledged: %v", key, sequence, err)
			continue
		}
		got := binary.BigEndian.Uint64(value)
		if got != sequence && got != sequence+childKeys {
			t.Errorf("%s: write %d is acknowledged, %d was found", key, sequence, got)
		}
		if !bytes.Equal(value, childValue(key, got)) {
			t.Errorf("%s: the value of write %d is torn", key, got)
		}
	}
	e, _ := s.engine.(*diskEngine)
	before := len(filesOf(t, e))
	s.removeOrphans(e)
	files := filesOf(t, e)
	for _, id := range files {
		if known, err := e.index.hasFile(id); err != nil || !known {
			t.Errorf("the file %s is an orphan: %v", id, err)
		}
	}
	want := 0
	if err := e.scan("", "", func(r *record) (string, bool) {
		if r.place == inFile {
			want++
		}
		return "", true
	}); err != nil {
		t.Fatal(err)
	}
	if len(files) != want {
		t.Errorf("%d files for %d large values", len(files), want)
	}
	return before != len(files)
}

func filesOf(t *testing.T, e *diskEngine) (ids []versionID) {
	t.Helper()
	if err := e.files.each(func(id versionID) bool { ids = append(ids, id); return true }); err != nil {
		t.Fatal(err)
	}
	return ids
}
