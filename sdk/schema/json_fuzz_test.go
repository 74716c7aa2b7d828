package schema_test

import (
	"bytes"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// FuzzUnmarshalValue feeds a decoder with what a broken peer may send. What
// it accepts must be safe for everything a value goes through.
func FuzzUnmarshalValue(f *testing.F) {
	s, err := schema.Reflect(everything{})
	if err != nil {
		f.Fatal(err)
	}
	good, diags := s.Validate(fullBody())
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	seed, err := s.MarshalValue(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte("null"))
	f.Add([]byte(`{"url":1}`))
	f.Add(bytes.Replace(seed, []byte("1536"), []byte("1e999999999"), 1))
	f.Add(bytes.Replace(seed, []byte("1536"), []byte("-0.5"), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := s.UnmarshalValue(data)
		if err != nil {
			return
		}
		if v.IsNull() {
			return
		}
		again, err := s.MarshalValue(v)
		if err != nil {
			t.Fatalf("%s was read but cannot be written: %v", data, err)
		}
		if back, err := s.UnmarshalValue(again); err != nil || !back.RawEquals(v) {
			t.Fatalf("%s does not survive: %v", again, err)
		}
		s.Redact(v)
		checked, diags := s.Validate(v)
		if diags.HasErrors() {
			return
		}
		var into everything
		if diags := schema.Decode(checked, &into); len(diags) > 0 && diags[0].Summary == "Cannot decode" {
			t.Fatalf("%s is valid but cannot be decoded: %v", again, diags)
		}
	})
}
