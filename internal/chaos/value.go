package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// id names a write: the caller that made it, and that caller's how manieth it
// was. No two writes of a run have the same; the zero id is that of no write.
type id struct{ caller, sequence int }

func (i id) String() string { return fmt.Sprintf("%d-%d", i.caller, i.sequence) }

// contentType carries the id with the object, so that a value without bytes
// says too where it is from, and a listing does.
func (i id) contentType() string { return "chaos/" + i.String() }

func parseContentType(contentType string) (i id, ok bool) {
	text, ok := strings.CutPrefix(contentType, "chaos/")
	caller, sequence, cut := strings.Cut(text, "-")
	if !ok || !cut {
		return id{}, false
	}
	var err, err2 error
	i.caller, err = strconv.Atoi(caller)
	i.sequence, err2 = strconv.Atoi(sequence)
	return i, err == nil && err2 == nil
}

// content is the value of a write. It begins by saying whose it is, and all the
// rest follows from that, so that every byte can be checked.
func content(key string, i id, size int) []byte {
	head := fmt.Sprintf("key %q write %s of %d bytes\n", key, i, size)
	value := make([]byte, max(size, len(head)))
	rest := value[copy(value, head):]
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(head))).Read(rest) // never fails
	return value[:size]
}

// difference says what is wrong with the value of a write; "" if nothing is.
func difference(key string, i id, size int, got []byte) string {
	want := content(key, i, size)
	if bytes.Equal(got, want) {
		return ""
	}
	same := 0
	for same < min(len(got), len(want)) && got[same] == want[same] {
		same++
	}
	head, _, _ := bytes.Cut(got[:min(len(got), 200)], []byte("\n"))
	return fmt.Sprintf("%d bytes instead of %d, the first %d of them the same; it begins with %q", len(got), len(want), same, head)
}
