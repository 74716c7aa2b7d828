package imports

// rules says for each package of the module which others it may import. Paths
// are relative to the module; one that ends in "/..." stands for a package and
// all below it. Standard library and third-party imports are free here, except
// as lightweight says. A new package needs a row; so does a new dependency
// between packages, and a moment's thought about its direction.
func rules() map[string][]string {
	engine := []string{
		"sdk", "sdk/schema", "sdk/storage", "internal/wire",
		"host/config", "host/discovery", "host/event", "host/expression", "host/journal", "host/layer",
		"host/metrics", "host/registry", "host/routing", "host/supervisor", "host/trust",
	}
	return map[string][]string{
		// The contract with plugins in any language.
		"proto/stowage/plugin/v1":  {"proto/stowage/storage/v1"},
		"proto/stowage/storage/v1": {},

		// What plugin authors build on. Nothing here may reach the host.
		"sdk":             {"sdk/schema", "sdk/storage", "internal/wire"},
		"sdk/schema":      {},
		"sdk/storage":     {},
		"sdk/storagetest": {"sdk/storage", "internal/wire"},
		"internal/turn":   {},
		"internal/wire":   {"sdk/schema", "sdk/storage", "internal/turn", "proto/..."},

		// The host, from its parts to the facade and the front ends.
		"host/config":     {"sdk/schema", "sdk/storage", "host/expression"},
		"host/discovery":  {"host/trust"},
		"host/event":      {"sdk/storage"},
		"host/journal":    {"internal/turn"},
		"host/layer":      {"sdk/storage", "host/event"},
		"host/metrics":    {"sdk/storage", "host/event"},
		"host/registry":   {"sdk/storage"},
		"host/expression": {"sdk/schema"},
		"host/routing":    {"sdk/schema", "sdk/storage", "host/event", "host/expression", "host/journal", "internal/turn"},
		"host/supervisor": {"internal/wire", "host/event", "host/trust"},
		"host/trust":      {},
		"host/manager":    engine,
		"host":            append([]string{"host/manager"}, engine...),
		"host/api":        {"sdk/storage", "internal/wire", "host", "proto/..."},
		"host/api/client": {"sdk/storage"},

		"host/api/internal/memory": {"sdk/storage"}, // for tests alone

		// Plugins know the SDK and nothing of the host.
		"plugins/local":             {"sdk", "sdk/storage", "plugins/local/local"},
		"plugins/local/local":       {"sdk", "sdk/schema", "sdk/storage"},
		"plugins/memory":            {"sdk", "sdk/storage", "plugins/memory/memory"},
		"plugins/memory/memory":     {"sdk", "sdk/schema", "sdk/storage"},
		"plugins/supabase":          {"sdk", "sdk/storage", "plugins/supabase/supabase"},
		"plugins/supabase/supabase": {"sdk", "sdk/schema", "sdk/storage"},

		"cmd/stowage": {
			"sdk", "sdk/schema", "sdk/storage", "plugins/local/...", "plugins/memory/...",
			"host", "host/api", "host/api/client", "host/config", "host/metrics",
		},

		// What drives the module in tests, demonstrations and measurements.
		"internal/bench":        {"host/...", "sdk/...", "plugins/...", "internal/bench/stock", "internal/supabasetest"},
		"internal/bench/stock":  {},
		"internal/chaos":        {"host/...", "sdk/...", "plugins/local/..."},
		"internal/demo":         {"host/...", "sdk/..."},
		"internal/imports":      {},
		"internal/storetest":    {"sdk/storage", "host/event"}, // for tests alone
		"internal/supabasetest": {},                            // for tests and measurements
		"internal/testplugin":   {"sdk", "sdk/storage", "proto/..."},
	}
}

// lightweight bounds what packages under the SDK may import from outside the
// module and the standard library.
func lightweight() map[string][]string {
	return map[string][]string{
		"sdk/storage": {},
		"sdk/schema":  {"github.com/zclconf/go-cty/..."},
	}
}

// hostWeight lists what must not end up in a third party's plugin binary by way
// of the SDK, however deep.
func hostWeight() []string {
	return []string{
		modulePath + "/host/...",
		modulePath + "/plugins/...",
		modulePath + "/cmd/...",
		"github.com/hashicorp/hcl/v2/...",
		"github.com/prometheus/client_golang/...",
		"github.com/cockroachdb/pebble/v2/...",
		"github.com/spf13/cobra/...",
	}
}
