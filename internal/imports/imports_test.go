// Package imports holds the test of who may import whom in this module.
package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPackagesImportOnlyWhatTheTableAllows(t *testing.T) {
	for _, fault := range misdirected(rules(), goList(t, "./...")) {
		t.Error(fault)
	}
}

func TestTheContractStaysLight(t *testing.T) {
	for _, fault := range overweight(lightweight(), goList(t, "./sdk/...")) {
		t.Error(fault)
	}
}

func TestTheSDKDoesNotCarryTheHost(t *testing.T) {
	for _, fault := range carriers(hostWeight(), goList(t, "-deps", "./sdk/...")) {
		t.Error(fault)
	}
}

func TestAMisdirectedImportIsFound(t *testing.T) {
	table := map[string][]string{
		"host":          {"sdk/..."},
		"sdk":           {"sdk/storage"},
		"sdk/storage":   {},
		"internal/wire": {"sdk"},
	}
	for name, test := range map[string]struct {
		pkg  goPackage
		want []string
	}{
		"an allowed package":                    {pkg: imports("sdk", modulePath+"/sdk/storage")},
		"a package below an allowed one":        {pkg: imports("host", modulePath+"/sdk/storage")},
		"the allowed parent itself":             {pkg: imports("host", modulePath+"/sdk")},
		"third parties and standard library":    {pkg: imports("sdk", "context", "google.golang.org/grpc")},
		"a module whose path only starts alike": {pkg: imports("sdk", modulePath+"-extra/host")},
		"the wrong way": {
			pkg:  imports("sdk/storage", modulePath+"/host"),
			want: []string{`sdk/storage must not import host; it may import []`},
		},
		"a package below one allowed alone": {
			pkg:  imports("internal/wire", modulePath+"/sdk/storage"),
			want: []string{`internal/wire must not import sdk/storage; it may import ["sdk"]`},
		},
		"no row": {
			pkg:  imports("host/util"),
			want: []string{`host/util has no row in the table of import rules`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, misdirected(table, []goPackage{test.pkg})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnOverweightContractIsFound(t *testing.T) {
	limits := map[string][]string{"sdk/schema": {"github.com/zclconf/go-cty/..."}}
	for name, test := range map[string]struct {
		pkg  goPackage
		want []string
	}{
		"standard library":        {pkg: imports("sdk/schema", "encoding/json")},
		"this module":             {pkg: imports("sdk/schema", modulePath+"/host")},
		"allowed third party":     {pkg: imports("sdk/schema", "github.com/zclconf/go-cty/cty")},
		"a package without limit": {pkg: imports("sdk", "github.com/spf13/cobra")},
		"other third party": {
			pkg:  imports("sdk/schema", "github.com/spf13/cobra"),
			want: []string{`sdk/schema must not import github.com/spf13/cobra; of third parties it may import ["github.com/zclconf/go-cty/..."]`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, overweight(limits, []goPackage{test.pkg})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestACarrierIsFound(t *testing.T) {
	weight := []string{modulePath + "/host/...", "github.com/spf13/cobra/..."}
	packages := []goPackage{
		imports("sdk", modulePath+"/internal/wire"),
		imports("internal/wire", modulePath+"/host/event", "context"),
		imports("host/event", modulePath+"/host/trust"),
		{ImportPath: "example.org/lib", Imports: []string{"github.com/spf13/cobra/doc"}},
	}
	want := []string{
		"internal/wire brings " + modulePath + "/host/event into every plugin",
		"example.org/lib brings github.com/spf13/cobra/doc into every plugin",
	}
	if diff := cmp.Diff(want, carriers(weight, packages)); diff != "" {
		t.Error(diff)
	}
}

func imports(name string, paths ...string) goPackage {
	return goPackage{ImportPath: modulePath + "/" + name, Imports: paths}
}

// goList describes the packages that the arguments name, seen from the top of
// the module. Whether they compile is left to the compiler.
func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	list := exec.Command("go", slices.Concat([]string{"list", "-e", "-json=ImportPath,Imports"}, args)...)
	list.Dir = "../.."
	var stderr strings.Builder
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", list, err, &stderr)
	}

	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", list, err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatalf("%s: no packages", list)
	}
	return packages
}
