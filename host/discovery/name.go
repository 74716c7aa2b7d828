package discovery

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Prefix is how the file name of every plugin binary begins: stowage-plugin-NAME, or stowage-plugin-NAME_1.2.0 so that
// several versions can lie side by side.
const Prefix = "stowage-plugin-"

// maxNameLen bounds a plugin's name, in bytes, so that it fits wherever names go: paths, labels, tables.
const maxNameLen = 64

var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// ValidName reports whether a plugin may be called that: 1 to 64 lower-case letters, digits, '_' and '-', beginning with
// a letter or digit.
func ValidName(name string) bool { return len(name) <= maxNameLen && nameRule.MatchString(name) }

// unfinished are the endings that editors, browsers, copying tools and package managers give to files that are not, or no
// longer, the real thing.
var unfinished = []string{
	"~", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart", ".swp", ".swx", ".bak", ".old",
	".orig", ".new", ".dpkg-new", ".dpkg-tmp", ".dpkg-old", ".rpmnew", ".rpmsave", ".rpmorig",
}

// parseFileName splits the file name of a plugin binary into the plugin's name and the version suffix, which is empty
// when there is none. When the file is no plugin, why says so.
func parseFileName(file string) (name, version, why string) {
	switch {
	case strings.HasPrefix(file, "."):
		return "", "", "hidden file"
	case strings.HasPrefix(file, "#"):
		return "", "", "temporary file (begins with #)"
	}
	for _, ending := range unfinished {
		if strings.HasSuffix(file, ending) {
			return "", "", fmt.Sprintf("temporary or partial file (ends in %s)", ending)
		}
	}
	rest, ok := strings.CutPrefix(file, Prefix)
	if !ok {
		return "", "", fmt.Sprintf("not a plugin: the name does not begin with %s", Prefix)
	}
	name, version = splitVersion(rest)
	if !ValidName(name) {
		return "", "", fmt.Sprintf("%q is not a plugin name: 1 to %d of a-z, 0-9, '_' and '-', beginning with a letter or digit",
			name, maxNameLen)
	}
	return name, version, ""
}

// splitVersion cuts a suffix like _1.2.0 or _v2.0.0-rc.1 off a name. The suffix must hold a dot: "cache_2" is a name.
func splitVersion(rest string) (name, version string) {
	for i := 0; i < len(rest); i++ {
		if rest[i] != '_' {
			continue
		}
		suffix := rest[i+1:]
		if _, err := semver.NewVersion(suffix); err == nil && strings.Contains(suffix, ".") {
			return rest[:i], suffix
		}
	}
	return rest, ""
}
