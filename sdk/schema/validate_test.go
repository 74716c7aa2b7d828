package schema_test

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

func body(pairs ...any) cty.Value {
	attrs := map[string]cty.Value{"url": cty.StringVal("https://x")}
	for i := 0; i < len(pairs); i += 2 {
		attrs[pairs[i].(string)] = pairs[i+1].(cty.Value)
	}
	return cty.ObjectVal(attrs)
}

var ruleBody = cty.ObjectVal(map[string]cty.Value{"prefix": cty.StringVal("p")})

func TestValidateFillsInDefaults(t *testing.T) {
	s := reflectEverything(t)
	v, diags := s.Validate(body())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if !v.Type().Equals(s.CtyType()) {
		t.Fatalf("the result is a %#v", v.Type())
	}
	want := map[string]cty.Value{
		"mode":  cty.StringVal("safe"),
		"level": cty.NumberIntVal(3),
		"limit": cty.NumberIntVal(64 << 20),
		"wait":  cty.StringVal("30s"),
		"hosts": cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}),
		"key":   cty.NullVal(cty.String),
		"tls":   cty.NullVal(s.Block("tls").Body.CtyType()),
		"rule":  cty.ListValEmpty(s.Block("rule").Body.CtyType()),
	}
	for name, w := range want {
		if got := v.GetAttr(name); !got.RawEquals(w) {
			t.Errorf("%s is %#v, want %#v", name, got, w)
		}
	}
}

func TestValidateAcceptsWhatItReturned(t *testing.T) {
	s := reflectEverything(t)
	first, diags := s.Validate(body("limit", cty.StringVal("1KiB"), "rule", cty.TupleVal([]cty.Value{ruleBody})))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	second, diags := s.Validate(first)
	if diags.HasErrors() || !second.RawEquals(first) {
		t.Errorf("validating twice gives %#v, %v", second, diags)
	}
}

func TestValidateReadsNumbersAndBooleansFromTheEnvironment(t *testing.T) {
	s := reflectEverything(t)
	v, diags := s.Validate(body("level", cty.StringVal("7"), "on", cty.StringVal("false")))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if !v.GetAttr("level").RawEquals(cty.NumberIntVal(7)) || !v.GetAttr("on").RawEquals(cty.False) {
		t.Errorf("got %#v and %#v", v.GetAttr("level"), v.GetAttr("on"))
	}
}

func TestValidateComplaints(t *testing.T) {
	num, str := cty.NumberIntVal, cty.StringVal
	tests := []struct {
		name string
		body cty.Value
		want string // all of it
	}{
		{"required attribute missing", cty.EmptyObjectVal, "url: Missing attribute: The attribute \"url\" is required: add url = … (string).\nWhere it is."},
		{"required attribute null", body("url", cty.NullVal(cty.String)), "url: Missing attribute: The attribute \"url\" is required: add url = … (string).\nWhere it is."},
		{"unknown attribute", body("limti", num(1)), `limti: Unknown attribute: There is no attribute named "limti" here. Did you mean "limit"?`},
		{"body of the wrong type", str("x"), "Wrong type: A block with attributes is needed here, not a string."},
		{"number for a string", body("dir", num(1)), `dir: Wrong type: "dir" must be a string, not a number: put it in quotes.`},
		{"list for a string", body("dir", cty.EmptyTupleVal), `dir: Wrong type: "dir" must be a string, not a list.`},
		{"string for a boolean", body("on", str("yes")), `on: Wrong type: "on" must be true or false, not a string.`},
		{"words for a number", body("ratio", str("half")), `ratio: Wrong type: "ratio" must be a number, not a string.`},
		{"fraction for an integer", body("level", cty.NumberFloatVal(1.5)), `level: Wrong type: "level" must be a whole number, not 1.5.`},
		{"infinity", body("ratio", cty.PositiveInfinity), `ratio: Number out of range: "ratio" must be 0 or of a magnitude between 1e-300 and 1e300.`},
		{"out of range", body("level", num(11)), `level: Value out of range: "level" must be between 0 and 10, not 11.`},
		{"beyond 64 bits", body("exact", cty.MustParseNumberVal("99999999999999999999")), `exact: Number out of range: "exact" must fit into 64 bits, not 99999999999999999999.`},
		{"bare number for a duration", body("wait", num(5)), `wait: Wrong type: "wait" must be a duration with its unit in quotes, such as "30s" or "5m", not a bare number.`},
		{"not a duration", body("wait", str("5 minutes")), `wait: Not a duration: "wait" must be a number with a unit (ns, us, ms, s, m, h), such as "30s" or "1m30s", not "5 minutes".`},
		{"duration out of range", body("wait", str("1h")), `wait: Value out of range: "wait" must be between 1s and 10m, not "1h".`},
		{"not a size", body("limit", str("lots")), `limit: Not a size: "limit" must be a size such as "64MiB" or a number of bytes, not "lots".`},
		{"negative size", body("limit", num(-1)), `limit: Not a size: "limit" must be a whole number of bytes, not negative and below 2^63.`},
		{"size out of range", body("limit", str("2GiB")), `limit: Value out of range: "limit" must be at most 1GiB, not "2GiB".`},
		{"value not in the enum", body("mode", str("saef")), `mode: Value not allowed: "mode" must be "fast" or "safe", not "saef". Did you mean "safe"?`},
		{"value against the pattern", body("url", str("ftp://x")), `url: Wrong format: "url" must match the pattern ^https://, not "ftp://x".` + "\nWhere it is."},
		{"element of a list", body("ports", cty.TupleVal([]cty.Value{num(1), num(70000)})), `ports[1]: Value out of range: "ports[1]" must be between 0 and 65535, not 70000.`},
		{"null in a list", body("hosts", cty.TupleVal([]cty.Value{cty.NullVal(cty.String)})), `hosts[0]: Wrong type: "hosts[0]" must be a string, not null.`},
		{"attribute of a block", body("retry", cty.ObjectVal(map[string]cty.Value{"max": num(0)})), `retry.max: Value out of range: "max" must be at least 1, not 0.`},
		{"unknown attribute of a block", body("retry", cty.ObjectVal(map[string]cty.Value{"mxa": num(1)})), `retry.mxa: Unknown attribute: There is no attribute named "mxa" here. Did you mean "max"?`},
		{"string for a block", body("retry", str("x")), "retry: Wrong type: A block with attributes is needed here, not a string."},
		{"missing in a labelled block", body("tenant", cty.ObjectVal(map[string]cty.Value{"acme": cty.EmptyObjectVal})), `tenant["acme"].prefix: Missing attribute: The attribute "prefix" is required: add prefix = … (string).`},
		{"too many blocks", body("rule", cty.TupleVal([]cty.Value{ruleBody, ruleBody, ruleBody})), `rule: Too many blocks: There are 3 "rule" blocks; at most 2 are allowed.`},
		{"object for repeated blocks", body("rule", ruleBody), `rule: Wrong type: "rule" is a block that can be repeated, not a map.`},
	}
	s := reflectEverything(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, diags := s.Validate(tt.body)
			if got := diags.Error(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !v.Type().Equals(s.CtyType()) {
				t.Errorf("a bad body gives a value of type %#v", v.Type())
			}
		})
	}
}

func TestValidateNeverQuotesSecrets(t *testing.T) {
	type config struct {
		Key     string            `stowage:"key,sensitive" pattern:"^sk-"`
		Pin     int               `stowage:"pin,sensitive" max:"10"`
		Kind    string            `stowage:"kind,sensitive" enum:"hunter1"`
		Wait    limits            `stowage:"wait"`
		Headers map[string]string `stowage:"headers,sensitive" pattern:"^x$"`
		Region  string            `stowage:"region" pattern:"^eu-"`
		Zones   []string          `stowage:"zones" enum:"a"`
		Rename  []rule            `stowage:"rule"`
	}
	s, err := schema.Reflect(config{})
	if err != nil {
		t.Fatal(err)
	}
	secret, number := cty.StringVal("hunter2"), cty.NumberIntVal(48151623)
	_, diags := s.Validate(cty.ObjectVal(map[string]cty.Value{
		"key":     secret,
		"pin":     number,
		"kind":    secret,
		"headers": cty.ObjectVal(map[string]cty.Value{"hunter2": secret}),
		"region":  secret.Mark("env"),
		"zones":   cty.TupleVal([]cty.Value{secret.Mark("env")}),
		"wait":    cty.ObjectVal(map[string]cty.Value{"limit": secret.Mark("env"), "after": secret.Mark("env"), "count": number.Mark("env")}),
		"rule":    cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"prefix": secret.Mark("env"), "secret": number})}),
	}))
	if want := 10; len(diags) != want {
		t.Errorf("%d complaints, want %d", len(diags), want)
	}
	for _, text := range []string{"hunter2", "4815"} {
		if strings.Contains(diags.Error(), text) {
			t.Errorf("a complaint quotes a secret:\n%s", diags.Error())
		}
	}
}

type limits struct {
	Limit schema.ByteSize `stowage:"limit"`
	After int8            `stowage:"after"`
	Count int8            `stowage:"count"`
}

func TestValidateTakesMarksOff(t *testing.T) {
	s := reflectEverything(t)
	v, diags := s.Validate(body("dir", cty.StringVal("x").Mark("env"), "hosts", cty.TupleVal([]cty.Value{cty.StringVal("h").Mark("env")}).Mark("env")).Mark("all"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if v.ContainsMarked() {
		t.Errorf("marks are left in %#v", v)
	}
}

func TestARequiredBlockMustBeThere(t *testing.T) {
	s, err := schema.Reflect(struct {
		Bucket rule            `stowage:"bucket,required" doc:"The bucket."`
		Tenant map[string]rule `stowage:"tenant,required"`
	}{})
	if err != nil {
		t.Fatal(err)
	}
	_, diags := s.Validate(cty.NilVal)
	want := "bucket: Missing block: The block \"bucket\" is required: add bucket { … }.\nThe bucket.\n" +
		`tenant: Missing block: The block "tenant" is required: add tenant "NAME" { … }.`
	if diags.Error() != want {
		t.Errorf("got %s", diags.Error())
	}
}

func TestSuggest(t *testing.T) {
	names := []string{"path", "max_bytes", "compress", "ttl"}
	tests := map[string]string{
		"pth":       "path",
		"paht":      "path",
		"maxbytes":  "max_bytes",
		"max-byte":  "max_bytes",
		"tll":       "ttl",
		"x":         "",
		"bandwidth": "",
		"path":      "",
		"":          "",
	}
	for name, want := range tests {
		if got := schema.Suggest(name, names); got != want {
			t.Errorf("%q suggests %q, want %q", name, got, want)
		}
	}
}
