package schema_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

type everything struct {
	_        struct{}          `doc:"All there is."`
	URL      string            `stowage:"url,required" pattern:"^https://" doc:"Where it is."`
	Key      string            `stowage:"key,sensitive"`
	Dir      string            `stowage:"dir,path"`
	Mode     string            `stowage:"mode" enum:"fast,safe" default:"safe"`
	Level    int8              `stowage:"level" default:"3" min:"0" max:"10"`
	Big      uint64            `stowage:"big"`
	Exact    int64             `stowage:"exact"`
	Ratio    float64           `stowage:"ratio" default:"0.5"`
	On       bool              `stowage:"on" default:"true"`
	Wait     time.Duration     `stowage:"wait" default:"30s" min:"1s" max:"10m"`
	Limit    schema.ByteSize   `stowage:"limit" default:"64MiB" max:"1GiB"`
	Optional *int              `stowage:"optional"`
	Hosts    []string          `stowage:"hosts" default:"a,b"`
	Headers  map[string]string `stowage:"headers,sensitive"`
	Ports    []uint16          `stowage:"ports"`
	Retry    retry             `stowage:"retry"`
	TLS      *tls              `stowage:"tls"`
	Rules    []rule            `stowage:"rule" max:"2"`
	Tenants  map[string]rule   `stowage:"tenant"`
	Ignored  func()            `stowage:"-"`
	private  int
}

type retry struct {
	_   struct{} `doc:"How to try again."`
	Max int      `stowage:"max" default:"4" min:"1"`
}

type tls struct {
	Cert string `stowage:"cert,required"`
}

type rule struct {
	Prefix string `stowage:"prefix,required"`
	Weight int    `stowage:"weight" default:"1"`
	Secret string `stowage:"secret,sensitive"`
}

func reflectEverything(t *testing.T) *schema.Schema {
	t.Helper()
	s, err := schema.Reflect(everything{private: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReflectKeepsTheOrderOfTheFields(t *testing.T) {
	s := reflectEverything(t)
	want := strings.Fields("url key dir mode level big exact ratio on wait limit optional hosts headers ports retry tls rule tenant")
	if got := s.Names(); !slices.Equal(got, want) {
		t.Errorf("names are %v, want %v", got, want)
	}
}

func TestReflectReadsEveryTag(t *testing.T) {
	s := reflectEverything(t)
	if s.Doc != "All there is." {
		t.Errorf("doc of the struct is %q", s.Doc)
	}
	url, mode, wait := s.Attribute("url"), s.Attribute("mode"), s.Attribute("wait")
	if !url.Required || url.Type != schema.String || url.Pattern != "^https://" || url.Doc != "Where it is." {
		t.Errorf("url is %+v", url)
	}
	if !s.Attribute("key").Sensitive || !s.Attribute("dir").Path {
		t.Error("the flags sensitive and path are lost")
	}
	if !slices.Equal(mode.Enum, []string{"fast", "safe"}) || !mode.Default.RawEquals(cty.StringVal("safe")) {
		t.Errorf("mode is %+v", mode)
	}
	if wait.Type != schema.Duration || *wait.Min != 1 || *wait.Max != 600 {
		t.Errorf("bounds of a duration are %v and %v seconds", *wait.Min, *wait.Max)
	}
	if limit := s.Attribute("limit"); *limit.Max != 1<<30 || !limit.Default.RawEquals(cty.NumberIntVal(64<<20)) {
		t.Errorf("limit is %+v", limit)
	}
	if got := s.Attribute("hosts").Type; got != "list(string)" {
		t.Errorf("hosts is a %s", got)
	}
	if ports := s.Attribute("ports"); *ports.Min != 0 || *ports.Max != 65535 {
		t.Errorf("a uint16 is bounded by %v and %v", *ports.Min, *ports.Max)
	}
	if b := s.Block("retry"); b.Nesting != schema.NestingSingle || b.Doc != "How to try again." {
		t.Errorf("retry is %+v", b)
	}
	if b := s.Block("rule"); b.Nesting != schema.NestingList || b.MaxItems != 2 {
		t.Errorf("rule is %+v", b)
	}
	if b := s.Block("tenant"); b.Nesting != schema.NestingMap {
		t.Errorf("tenant is %+v", b)
	}
}

func TestReflectOfNothingIsAnEmptyBody(t *testing.T) {
	s, err := schema.Reflect(nil)
	if err != nil || len(s.Names()) != 0 {
		t.Errorf("got %v, %v", s, err)
	}
	if _, err := schema.Reflect((*retry)(nil)); err != nil {
		t.Errorf("a nil pointer to a struct: %v", err)
	}
}

type selfContaining struct {
	Inner []selfContaining `stowage:"inner"`
}

func TestReflectNamesTheFieldOfABadTag(t *testing.T) {
	tests := []struct {
		name   string
		config any
		want   []string
	}{
		{"exported field without a tag", struct{ Path string }{}, []string{".Path", "without a stowage tag"}},
		{"unexported field with a tag", struct {
			path string `stowage:"path"`
		}{}, []string{".path", "unexported"}},
		{"unknown flag", struct {
			A string `stowage:"a,requird"`
		}{}, []string{".A", `"requird"`}},
		{"no name", struct {
			A string `stowage:",required"`
		}{}, []string{`"" is not a name`}},
		{"name that HCL cannot write", struct {
			A string `stowage:"a b"`
		}{}, []string{`"a b" is not a name`}},
		{"one name twice", struct {
			A string `stowage:"a"`
			B string `stowage:"a"`
		}{}, []string{`"a" is used twice`}},
		{"type without a form", struct {
			A chan int `stowage:"a"`
		}{}, []string{".A", "chan int"}},
		{"bytes", struct {
			A []byte `stowage:"a"`
		}{}, []string{".A", "[]uint8"}},
		{"default of the wrong type", struct {
			A int `stowage:"a" default:"many"`
		}{}, []string{".A", `default "many"`}},
		{"default out of range", struct {
			A int `stowage:"a" default:"9" max:"3"`
		}{}, []string{`attribute "a"`, "at most 3"}},
		{"default of a required attribute", struct {
			A int `stowage:"a,required" default:"9"`
		}{}, []string{`attribute "a"`, "no use for a default"}},
		{"min of a string", struct {
			A string `stowage:"a" min:"9"`
		}{}, []string{".A", "min is for numbers"}},
		{"min that is no number", struct {
			A int `stowage:"a" min:"NaN"`
		}{}, []string{`attribute "a"`, "finite"}},
		{"min over max", struct {
			A int `stowage:"a" min:"9" max:"1"`
		}{}, []string{"min is over max"}},
		{"enum of a number", struct {
			A int `stowage:"a" enum:"1,2"`
		}{}, []string{"enum is for strings"}},
		{"pattern that does not compile", struct {
			A string `stowage:"a" pattern:"("`
		}{}, []string{`attribute "a"`, "missing closing )"}},
		{"path of a number", struct {
			A int `stowage:"a,path"`
		}{}, []string{"path and ref are for strings"}},
		{"expression that is a list", struct {
			A []string `stowage:"a,expr"`
		}{}, []string{"expr is for strings, not for list(string)"}},
		{"expression that is a number", struct {
			A int `stowage:"a,expr"`
		}{}, []string{"expr is for strings, not for integer"}},
		{"expression and reference", struct {
			A string `stowage:"a,expr,ref"`
		}{}, []string{"expr excludes"}},
		{"expression and path", struct {
			A string `stowage:"a,expr,path"`
		}{}, []string{"expr excludes"}},
		{"secret expression", struct {
			A string `stowage:"a,expr,sensitive"`
		}{}, []string{"expr excludes"}},
		{"expression with an enum", struct {
			A string `stowage:"a,expr" enum:"a,b"`
		}{}, []string{"expr excludes"}},
		{"expression with a pattern", struct {
			A string `stowage:"a,expr" pattern:"a"`
		}{}, []string{"expr excludes"}},
		{"expression with a default", struct {
			A string `stowage:"a,expr" default:"backend.disk"`
		}{}, []string{"expr excludes"}},
		{"sensitive block", struct {
			A retry `stowage:"a,sensitive"`
		}{}, []string{".A", "not for blocks"}},
		{"default of a block", struct {
			A retry `stowage:"a" default:"x"`
		}{}, []string{".A", "not for blocks"}},
		{"max of a single block", struct {
			A retry `stowage:"a" max:"2"`
		}{}, []string{".A", "list or map of blocks"}},
		{"block inside itself", selfContaining{}, []string{"selfContaining", "cannot contain itself"}},
		{"not a struct", 5, []string{"int"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := schema.Reflect(tt.config)
			if err == nil {
				t.Fatalf("accepted as %+v", s)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestSchemasOfPluginsHaveNeitherReferencesNorExpressions(t *testing.T) {
	type ref struct {
		A string `stowage:"a,ref"`
	}
	type expr struct {
		A string `stowage:"a,expr,required"`
	}
	type nested struct {
		Inner []expr `stowage:"inner"`
	}
	for config, want := range map[any]string{
		&ref{}:    `attribute "a": ref is for the policies of the host`,
		&expr{}:   `attribute "a": expr is for the policies of the host`,
		&nested{}: `block "inner": attribute "a": expr`,
	} {
		s, err := schema.Reflect(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CheckForPlugin(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%T: got %v, want %q", config, err, want)
		}
	}
	if err := reflectEverything(t).CheckForPlugin(); err != nil {
		t.Errorf("an ordinary schema is refused: %v", err)
	}
}
