package schema_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

func TestFormIsWhatAnOperatorWrites(t *testing.T) {
	s, err := schema.Reflect(struct {
		A string            `stowage:"a"`
		B time.Duration     `stowage:"b"`
		C string            `stowage:"c,ref"`
		D []string          `stowage:"d,ref"`
		E map[string]string `stowage:"e,ref"`
		F string            `stowage:"f,expr"`
	}{})
	if err != nil {
		t.Fatal(err)
	}
	var forms []string
	for i := range s.Attributes {
		forms = append(forms, s.Attributes[i].Form())
	}
	if want := strings.Fields("string duration reference list(reference) map(reference) expression"); !slices.Equal(forms, want) {
		t.Errorf("forms are %v, want %v", forms, want)
	}
}

func TestDefaultsAndLimitsReadAsAnOperatorWouldWriteThem(t *testing.T) {
	s, err := schema.Reflect(struct {
		A string            `stowage:"a" default:"x\"y" enum:"x\"y,z"`
		B time.Duration     `stowage:"b" default:"1m0s" min:"500ms" max:"1h"`
		C schema.ByteSize   `stowage:"c" default:"65536" max:"1GiB"`
		D []string          `stowage:"d" default:"a,b"`
		E map[string]int    `stowage:"e" default:"k=1,a=2" min:"1"`
		F bool              `stowage:"f" default:"true"`
		G float64           `stowage:"g" default:"0.5"`
		H string            `stowage:"h" pattern:"^a"`
		I []schema.ByteSize `stowage:"i" default:"1KiB"`
		J []string          `stowage:"j" default:""`
	}{})
	if err != nil {
		t.Fatal(err)
	}
	want := [][2]string{
		{`"x\"y"`, `One of "x\"y" or "z".`},
		{`"1m0s"`, "From 500ms to 1h."},
		{`"64KiB"`, "At most 1GiB."},
		{`["a", "b"]`, ""},
		{`{ "a" = 2, "k" = 1 }`, "At least 1."},
		{"true", ""},
		{"0.5", ""},
		{"", "Matches ^a."},
		{`["1KiB"]`, ""},
		{"[]", ""},
	}
	for i := range s.Attributes {
		a := &s.Attributes[i]
		if got := [2]string{a.DefaultText(), a.Limits()}; got != want[i] {
			t.Errorf("%s: got %q, want %q", a.Name, got, want[i])
		}
	}
}
