package imports

import (
	"fmt"
	"slices"
	"strings"
)

const modulePath = "github.com/p2p-ai-agents/stowage"

// goPackage is what `go list -json` tells about a package. Imports are those of
// its non-test files.
type goPackage struct {
	ImportPath string
	Imports    []string
}

// name is the package's path relative to the module.
func (p goPackage) name() string {
	return strings.TrimPrefix(p.ImportPath, modulePath+"/")
}

// covers reports whether the pattern, a path or a path with "/..." behind it,
// stands for the package.
func covers(pattern, path string) bool {
	parent, below := strings.CutSuffix(pattern, "/...")
	return path == parent || below && strings.HasPrefix(path, parent+"/")
}

func coveredByAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, path) })
}

// misdirected returns a sentence for each import between packages of the module
// that no rule allows, and for each package without a rule.
func misdirected(rules map[string][]string, packages []goPackage) []string {
	var faults []string
	for _, p := range packages {
		allowed, known := rules[p.name()]
		if !known {
			faults = append(faults, fmt.Sprintf("%s has no row in the table of import rules", p.name()))
			continue
		}
		for _, path := range p.Imports {
			local, inside := strings.CutPrefix(path, modulePath+"/")
			if inside && !coveredByAny(allowed, local) {
				faults = append(faults, fmt.Sprintf("%s must not import %s; it may import %q", p.name(), local, allowed))
			}
		}
	}
	return faults
}

// overweight returns a sentence for each third-party import of a package listed
// in limits that its entry does not allow.
func overweight(limits map[string][]string, packages []goPackage) []string {
	var faults []string
	for _, p := range packages {
		allowed, limited := limits[p.name()]
		if !limited {
			continue
		}
		for _, path := range p.Imports {
			if thirdParty(path) && !coveredByAny(allowed, path) {
				faults = append(faults, fmt.Sprintf("%s must not import %s; of third parties it may import %q", p.name(), path, allowed))
			}
		}
	}
	return faults
}

// thirdParty reports whether an import path is neither the module's nor the
// standard library's, whose first element never holds a dot.
func thirdParty(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".") && !covers(modulePath+"/...", path)
}

// carriers returns a sentence for each import by which something that weight
// lists gets in among the packages.
func carriers(weight []string, packages []goPackage) []string {
	var faults []string
	for _, p := range packages {
		if coveredByAny(weight, p.ImportPath) {
			continue
		}
		for _, path := range p.Imports {
			if coveredByAny(weight, path) {
				faults = append(faults, fmt.Sprintf("%s brings %s into every plugin", p.name(), path))
			}
		}
	}
	return faults
}
