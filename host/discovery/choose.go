package discovery

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/Masterminds/semver/v3"
)

// Described is a candidate together with what its process said of itself.
type Described struct {
	Candidate
	PluginName    string // authoritative
	PluginVersion string // must be a semantic version
}

// Rejected is a binary that does not serve, and why.
type Rejected struct {
	Described
	Reason string
}

// CheckIdentity tells whether a plugin is what its file name says: the name must be the file's up to the version suffix,
// and the version must be a semantic one. An error is a reason to quarantine the binary.
func CheckIdentity(d Described) error {
	if !ValidName(d.PluginName) {
		return fmt.Errorf("%s: the plugin calls itself %q, which is not a plugin name", d.Path, d.PluginName)
	}
	if d.PluginName != d.Name {
		return fmt.Errorf("%s: the plugin calls itself %q, but its file name says %q; rename the file to %s%s",
			d.Path, d.PluginName, d.Name, Prefix, d.PluginName)
	}
	if _, err := semver.NewVersion(d.PluginVersion); err != nil {
		return fmt.Errorf("%s: the plugin's version %q is not a semantic version like 1.2.3: %w", d.Path, d.PluginVersion, err)
	}
	return nil
}

// Choose picks the binary that serves, among those of one plugin name: the highest semantic version that satisfies
// constraint (for example ">= 1.0, < 2"; empty accepts every version, also a pre-release). Equal versions are decided by
// the smaller digest, and equal binaries by the earlier folder, then the path, so that the same set of files gives the
// same choice on every start. The others are returned with the reason. ok is false when none is left.
//
// Choose is a pure function; it does not modify its arguments.
func Choose(all []Described, constraint string) (chosen Described, others []Rejected, ok bool, err error) {
	var wanted *semver.Constraints
	if constraint != "" {
		if wanted, err = semver.NewConstraint(constraint); err != nil {
			return Described{}, nil, false, fmt.Errorf("version constraint %q: %w", constraint, err)
		}
	}
	type versioned struct {
		Described
		version *semver.Version
	}
	var fit []versioned
	for _, d := range all {
		if err := CheckIdentity(d); err != nil {
			others = append(others, Rejected{d, err.Error()})
			continue
		}
		v, err := semver.NewVersion(d.PluginVersion)
		if err != nil { // CheckIdentity has parsed it
			return Described{}, nil, false, err
		}
		if wanted != nil && !wanted.Check(v) {
			others = append(others, Rejected{d, fmt.Sprintf("version %s does not satisfy %q", d.PluginVersion, constraint)})
			continue
		}
		fit = append(fit, versioned{d, v})
	}
	slices.SortFunc(fit, func(a, b versioned) int {
		return cmp.Or(
			b.version.Compare(a.version),
			bytes.Compare(a.Digest[:], b.Digest[:]),
			cmp.Compare(a.DirIndex, b.DirIndex),
			cmp.Compare(a.Path, b.Path),
		)
	})
	for i, d := range fit {
		if i == 0 {
			continue
		}
		others = append(others, Rejected{d.Described, whyNot(d.Described, d.version, fit[0].Described, fit[0].version)})
	}
	if len(fit) == 0 {
		return Described{}, others, false, nil
	}
	return fit[0].Described, others, true, nil
}

func whyNot(d Described, v *semver.Version, chosen Described, best *semver.Version) string {
	switch {
	case d.Digest == chosen.Digest:
		return fmt.Sprintf("the same binary as %s", chosen.Path)
	case v.Compare(best) == 0:
		return fmt.Sprintf("the same version as %s, which has the smaller digest", chosen.Path)
	default:
		return fmt.Sprintf("version %s is lower than %s of %s", d.PluginVersion, chosen.PluginVersion, chosen.Path)
	}
}
