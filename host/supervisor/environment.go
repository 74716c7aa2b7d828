package supervisor

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/internal/wire"
)

// defaultPath is the PATH of a plugin unless the host's is passed on.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// environment builds what a plugin sees, sorted. Nothing comes from the host but the variables named in pass; the values
// in set win over those, and both win over the defaults: PATH, and HOME and TMPDIR, which are the plugin's private
// directory, so that it neither finds the operator's dotfiles by accident nor leaves files behind. The SDK is told that
// its stdin is the death pipe.
func environment(private string, pass []string, set map[string]string) []string {
	env := map[string]string{"PATH": defaultPath, "HOME": private, "TMPDIR": private, wire.DeathPipeEnv: "1"}
	for _, name := range pass {
		if value, ok := os.LookupEnv(name); ok {
			env[name] = value
		}
	}
	maps.Copy(env, set)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// checkEnvironment refuses names that cannot be passed and those that belong to the handshake.
func checkEnvironment(pass []string, set map[string]string) error {
	names := append(slices.Clone(pass), slices.Sorted(maps.Keys(set))...)
	for _, name := range names {
		switch {
		case !envName.MatchString(name):
			return fmt.Errorf("environment: %q is not the name of a variable", name)
		case strings.HasPrefix(name, "PLUGIN_"), name == wire.DeathPipeEnv, name == wire.Handshake().MagicCookieKey:
			return fmt.Errorf("environment: %s belongs to the handshake between host and plugin", name)
		}
	}
	for name, value := range set {
		if strings.ContainsRune(value, 0) {
			return fmt.Errorf("environment: the value of %s contains a NUL byte", name)
		}
	}
	return nil
}
