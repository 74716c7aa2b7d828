package journal

import (
	"bytes"
	"fmt"
	"testing"
)

func TestValuesAreKept(t *testing.T) {
	b := newBench(t, Options{})
	value := func(name string, want []byte) {
		t.Helper()
		got, err := b.j.Value(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	set := func(name string, to []byte) {
		t.Helper()
		if err := b.j.SetValue(name, to); err != nil {
			t.Fatal(err)
		}
	}
	value("cursor", nil)
	set("cursor", []byte("one"))
	mine := []byte("two")
	set("cursor", mine)
	mine[0] = 'x'
	set("empty", []byte{})
	set("gone", []byte("x"))
	set("gone", nil)
	set("never", nil)
	check := func() {
		t.Helper()
		value("cursor", []byte("two"))
		value("empty", []byte{})
		value("gone", nil)
	}
	check()
	got, _ := b.j.Value("cursor")
	got[0] = 'x'
	check()
	b.crash()
	check()
}

func TestValuesAreBounded(t *testing.T) {
	b := newBench(t, Options{})
	if err := b.j.SetValue("long", make([]byte, MaxValueBytes)); err != nil {
		t.Error(err)
	}
	if err := b.j.SetValue("long", make([]byte, MaxValueBytes+1)); err == nil {
		t.Error("a longer one is taken")
	}
	for n := range MaxValues - 1 {
		if _, err := b.j.setValue(fmt.Sprint(n), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := b.j.setValue(fmt.Sprint(n), []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.j.SetValue("one too many", nil); err != nil {
		t.Error(err)
	}
	if err := b.j.SetValue("one too many", []byte{1}); err == nil {
		t.Error("one too many is taken")
	}
	if err := b.j.SetValue("0", []byte{2}); err != nil {
		t.Error(err)
	}
}
