package schema_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

func validated(t *testing.T, s *schema.Schema, raw cty.Value) cty.Value {
	t.Helper()
	v, diags := s.Validate(raw)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return v
}

func fullBody() cty.Value {
	str, num := cty.StringVal, cty.NumberIntVal
	return body(
		"key", str("s3cret"),
		"big", cty.NumberUIntVal(math.MaxUint64),
		"exact", num(math.MinInt64),
		"wait", str("1m30s"),
		"limit", str("1.5KiB"),
		"optional", num(0),
		"headers", cty.ObjectVal(map[string]cty.Value{"Host": str("h")}),
		"ports", cty.TupleVal([]cty.Value{num(80), num(443)}),
		"tls", cty.ObjectVal(map[string]cty.Value{"cert": str("c")}),
		"rule", cty.TupleVal([]cty.Value{ruleBody}),
		"tenant", cty.ObjectVal(map[string]cty.Value{"acme": ruleBody}),
	)
}

var fullStruct = everything{
	URL: "https://x", Key: "s3cret", Mode: "safe", Level: 3,
	Big: math.MaxUint64, Exact: math.MinInt64, Ratio: 0.5, On: true,
	Wait: 90 * time.Second, Limit: 1536, Optional: new(int),
	Hosts: []string{"a", "b"}, Headers: map[string]string{"Host": "h"}, Ports: []uint16{80, 443},
	Retry: retry{Max: 4}, TLS: &tls{Cert: "c"},
	Rules: []rule{{Prefix: "p", Weight: 1}}, Tenants: map[string]rule{"acme": {Prefix: "p", Weight: 1}},
}

func TestDecodeFillsTheStruct(t *testing.T) {
	var got everything
	if diags := schema.Decode(validated(t, reflectEverything(t), fullBody()), &got); diags.HasErrors() {
		t.Fatal(diags)
	}
	if diff := cmp.Diff(fullStruct, got, cmpopts.IgnoreUnexported(everything{}, retry{}, tls{}, rule{})); diff != "" {
		t.Error(diff)
	}
}

func TestAValueSurvivesTheWire(t *testing.T) {
	s := reflectEverything(t)
	v := validated(t, s, fullBody())
	data, err := s.MarshalValue(v)
	if err != nil {
		t.Fatal(err)
	}
	back, err := s.UnmarshalValue(data)
	if err != nil {
		t.Fatal(err)
	}
	if !back.RawEquals(v) {
		t.Errorf("%s came back as %#v", data, back)
	}
}

func TestMarshalRefusesWhatIsNotValidated(t *testing.T) {
	if _, err := reflectEverything(t).MarshalValue(body()); err == nil || !strings.Contains(err.Error(), "Validate") {
		t.Errorf("got %v", err)
	}
}

func TestABlockLeftOutIsNilOrItsDefaults(t *testing.T) {
	var got everything
	got.TLS = &tls{Cert: "from before"}
	if diags := schema.Decode(validated(t, reflectEverything(t), body()), &got); diags.HasErrors() {
		t.Fatal(diags)
	}
	if got.TLS != nil {
		t.Errorf("tls is %+v, want nil", got.TLS)
	}
	if got.Retry.Max != 4 {
		t.Errorf("retry.max is %d, want its default", got.Retry.Max)
	}
}

func TestADefaultBlockInsideABlockLeftOut(t *testing.T) {
	type inner struct {
		N int `stowage:"n" default:"5"`
	}
	type middle struct {
		Must  string  `stowage:"must,required"`
		Inner inner   `stowage:"inner"`
		Many  []inner `stowage:"many"`
	}
	type outer struct {
		Middle middle `stowage:"middle"`
	}
	var got outer
	s, err := schema.Reflect(got)
	if err != nil {
		t.Fatal(err)
	}
	if diags := schema.Decode(validated(t, s, cty.EmptyObjectVal), &got); diags.HasErrors() {
		t.Fatal(diags)
	}
	if got.Middle.Inner.N != 5 || got.Middle.Must != "" || got.Middle.Many != nil {
		t.Errorf("got %+v", got)
	}
}

func TestDecodeChecksTheWidthOfNumbers(t *testing.T) {
	type config struct {
		Signed int64   `stowage:"signed"`
		Narrow float32 `stowage:"narrow"`
	}
	s, err := schema.Reflect(config{})
	if err != nil {
		t.Fatal(err)
	}
	v := validated(t, s, cty.ObjectVal(map[string]cty.Value{
		"signed": cty.NumberUIntVal(math.MaxUint64),
		"narrow": cty.NumberFloatVal(1e100),
	}))
	diags := schema.Decode(v, &config{})
	want := "signed: Number out of range: \"signed\" must fit into a whole number of 64 bits.\n" +
		`narrow: Number out of range: "narrow" must fit into a number of 32 bits.`
	if diags.Error() != want {
		t.Errorf("got %s", diags.Error())
	}
}

func TestDecodeRefusesMisuse(t *testing.T) {
	v := validated(t, reflectEverything(t), body())
	tests := []struct {
		name string
		v    cty.Value
		into any
	}{
		{"a struct", v, everything{}},
		{"nil", v, nil},
		{"a nil pointer", v, (*everything)(nil)},
		{"a value of another schema", v, &retry{}},
		{"a raw value", body(), &everything{}},
		{"null", cty.NullVal(v.Type()), &everything{}},
		{"no value", cty.NilVal, &everything{}},
		{"a struct without tags", v, &struct{ A int }{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diags := schema.Decode(tt.v, tt.into); len(diags) != 1 || !diags.HasErrors() {
				t.Errorf("got %v", diags)
			}
		})
	}
}

func TestRedactHidesEverySensitiveValue(t *testing.T) {
	s := reflectEverything(t)
	v := validated(t, s, body(
		"key", cty.StringVal("hunter2"),
		"headers", cty.ObjectVal(map[string]cty.Value{"hunter2": cty.StringVal("hunter2")}),
		"rule", cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"prefix": cty.StringVal("p"), "secret": cty.StringVal("hunter2")})}),
		"tenant", cty.ObjectVal(map[string]cty.Value{"t": cty.ObjectVal(map[string]cty.Value{"prefix": cty.StringVal("p"), "secret": cty.StringVal("hunter2")})}),
	))
	shown := s.Redact(v)
	data, err := s.MarshalValue(shown)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "hunter2") {
		t.Errorf("a secret shows in %s", data)
	}
	if got := strings.Count(string(data), schema.Redacted); got != 5 {
		t.Errorf("%d values are marked as sensitive in %s", got, data)
	}
	if !strings.Contains(string(data), `"https://x"`) {
		t.Errorf("what is not sensitive is gone from %s", data)
	}
}
