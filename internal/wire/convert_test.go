package wire

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"google.golang.org/protobuf/proto"

	pluginv1 "github.com/p2p-ai-agents/stowage/proto/stowage/plugin/v1"
	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func fullDescription() *Description {
	low, high := 1.0, 9.5
	return &Description{
		Name: "memo", Version: "1.2.3", Description: "Keeps.", ProtocolMin: 1, ProtocolMax: 3, Features: []string{"a", "b"},
		Config: &schema.Schema{
			Doc: "all of it",
			Attributes: []schema.Attribute{
				{Name: "url", Type: schema.String, Required: true, Sensitive: true, Pattern: "^http", Doc: "where"},
				{Name: "dir", Type: schema.String, Path: true, Default: cty.StringVal("/x")},
				{Name: "n", Type: schema.Number, Min: &low, Max: &high, Default: cty.NumberFloatVal(2.5)},
				{Name: "mode", Type: schema.ListOf(schema.String), Enum: []string{"a", "b"}},
			},
			Blocks: []schema.Block{
				{Name: "one", Nesting: schema.NestingSingle, Required: true, Doc: "d", Body: schema.Schema{Attributes: []schema.Attribute{{Name: "x", Type: schema.Bool}}}},
				{Name: "many", Nesting: schema.NestingList, MaxItems: 4},
				{Name: "named", Nesting: schema.NestingMap},
			},
		},
	}
}

func sameSchema() cmp.Option {
	return cmp.Comparer(func(a, b cty.Value) bool {
		return a == cty.NilVal && b == cty.NilVal || a != cty.NilVal && b != cty.NilVal && a.RawEquals(b)
	})
}

func TestDescriptionsAreKeptWhole(t *testing.T) {
	want := fullDescription()
	data, err := MarshalDescription(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := UnmarshalDescription(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameSchema()); diff != "" {
		t.Errorf("(-kept +read):\n%s", diff)
	}
	again, err := MarshalDescription(got)
	if err != nil || string(again) != string(data) {
		t.Errorf("equal descriptions have different bytes (%v)", err)
	}
	if _, err := UnmarshalDescription(data[:len(data)-1]); err == nil {
		t.Error("a description cut short was accepted")
	}
}

func TestSchemasWithWhatOnlyAHostKnowsAreNotSent(t *testing.T) {
	for _, attribute := range []schema.Attribute{
		{Name: "place", Type: schema.String, Expr: true},
		{Name: "backend", Type: schema.String, Ref: true},
	} {
		d := fullDescription()
		d.Config = &schema.Schema{Attributes: []schema.Attribute{attribute}}
		if _, err := MarshalDescription(d); err == nil || !strings.Contains(err.Error(), attribute.Name) {
			t.Errorf("%+v: got %v", attribute, err)
		}
	}
}

func TestHostileSchemasAreRefused(t *testing.T) {
	deep := &pluginv1.Schema{}
	for range 40 {
		deep = &pluginv1.Schema{Blocks: []*pluginv1.Block{{Name: "b", Nesting: pluginv1.Block_NESTING_SINGLE, Body: deep}}}
	}
	wide := &pluginv1.Schema{}
	for range maxSchemaNames + 1 {
		wide.Attributes = append(wide.Attributes, &pluginv1.Attribute{Name: "a", Type: "string"})
	}
	attribute := func(a *pluginv1.Attribute) *pluginv1.Schema {
		return &pluginv1.Schema{Attributes: []*pluginv1.Attribute{a}}
	}
	for name, p := range map[string]*pluginv1.Schema{
		"nested without end":   deep,
		"too many attributes":  wide,
		"no name":              attribute(&pluginv1.Attribute{Type: "string"}),
		"a name that is none":  attribute(&pluginv1.Attribute{Name: "a b\n", Type: "string"}),
		"an unknown type":      attribute(&pluginv1.Attribute{Name: "a", Type: "set(string)"}),
		"a type without end":   attribute(&pluginv1.Attribute{Name: "a", Type: strings.Repeat("list(", 5000) + strings.Repeat(")", 5000)}),
		"a pattern that fails": attribute(&pluginv1.Attribute{Name: "a", Type: "string", Pattern: "("}),
		"a default of another": attribute(&pluginv1.Attribute{Name: "a", Type: "number", DefaultJson: []byte(`{"x":1}`)}),
		"a default of no JSON": attribute(&pluginv1.Attribute{Name: "a", Type: "string", DefaultJson: []byte(`"`)}),
		"a bound of no number": attribute(&pluginv1.Attribute{Name: "a", Type: "number", Min: proto.Float64(math.NaN())}),
		"a path of numbers":    attribute(&pluginv1.Attribute{Name: "a", Type: "number", Path: true}),
		"a name twice":         {Attributes: []*pluginv1.Attribute{{Name: "a", Type: "string"}}, Blocks: []*pluginv1.Block{{Name: "a", Nesting: pluginv1.Block_NESTING_LIST}}},
		"an unknown nesting":   {Blocks: []*pluginv1.Block{{Name: "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := descriptionFromProto(&pluginv1.DescribeResponse{Config: p}); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestDiagnosticsArriveWithTheirPaths(t *testing.T) {
	want := schema.Diagnostics{
		schema.Errorf(cty.GetAttrPath("retry").IndexInt(2).GetAttr("env").IndexString("HOME"), "Bad", "Change it."),
		schema.Warningf(nil, "Odd", "Look."),
	}
	client, _ := connect(t, &fakePlugin{diags: want})
	got, err := client.Validate(t.Context(), "disk", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Error(), got.Error()); diff != "" || got[1].Severity != schema.SeverityWarning || !got[0].Path.Equals(want[0].Path) {
		t.Errorf("got %v", got)
	}
	store, got, err := client.Open(t.Context(), OpenRequest{ID: "x", Config: []byte("{}")})
	if store != nil || !got.HasErrors() || err != nil {
		t.Errorf("open gave %v, %v, %v; want only diagnostics", store, got, err)
	}
	for _, config := range []string{"", "{", strings.Repeat(" ", maxConfigBytes) + "{}"} {
		if _, err := client.Validate(t.Context(), "disk", []byte(config)); !errors.Is(err, storage.ErrInvalidArgument) {
			t.Errorf("a configuration of %d bytes that is not JSON gives %v", len(config), err)
		}
	}
}

func TestMalformedConditionsStayMalformed(t *testing.T) {
	for name, c := range map[string]*storagev1.Condition{
		"nothing set":  {},
		"absent false": {Condition: &storagev1.Condition_Absent{}},
		"exists false": {Condition: &storagev1.Condition_Exists{}},
		"empty etag":   {Condition: &storagev1.Condition_Etag{}},
	} {
		if err := conditionFromProto(c).Validate(); !errors.Is(err, storage.ErrInvalidArgument) {
			t.Errorf("%s: %v, want InvalidArgument", name, err)
		}
	}
	unknown := storage.Condition{Kind: 99}
	if got := conditionFromProto(conditionToProto(unknown)); got.IsNone() || got.Validate() == nil {
		t.Errorf("an unknown condition became %v", got)
	}
	if got := rangeFromProto(rangeToProto(storage.Range{Kind: 99})); got.Validate() == nil {
		t.Errorf("an unknown range became %v", got)
	}
	for _, c := range []storage.Condition{{}, storage.IfAbsent(), storage.IfExists(), storage.IfETag("e")} {
		if got := conditionFromProto(conditionToProto(c)); got != c {
			t.Errorf("%v became %v", c, got)
		}
	}
}

func TestSessionsLearnFromTheServer(t *testing.T) {
	var asked storage.Version
	store := open(t, &fakeStore{
		caps: storage.Capabilities{Consistency: storage.AllConsistencyLevels()},
		stat: func(_ context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
			if opts.Session == nil {
				return storage.Object{}, errors.New("no session came")
			}
			asked = opts.Session.Least(key)
			opts.Session.Observe(key, 42)
			return storage.Object{Key: key}, nil
		},
	})
	session := new(storage.Session)
	for _, want := range []storage.Version{0, 42} {
		if _, err := store.Stat(t.Context(), "k", storage.StatOptions{Session: session}); err != nil {
			t.Fatal(err)
		}
		if asked != want {
			t.Errorf("the server was asked for version %d at least, want %d", asked, want)
		}
	}
	if session.Least("k") != 42 {
		t.Errorf("the caller's session says %d", session.Least("k"))
	}
	if _, err := store.Stat(t.Context(), "k", storage.StatOptions{}); err == nil {
		t.Error("a call without a session brought one")
	}
}
