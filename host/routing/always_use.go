package routing

import "github.com/p2p-ai-agents/stowage/sdk/storage"

// AlwaysUseOptions are the body of policy "always_use".
type AlwaysUseOptions struct {
	Backend string `stowage:"backend,required,ref" doc:"The backend or policy that serves everything."`
}

// buildAlwaysUse returns the child itself: its capabilities, etags and errors,
// which name backend and plugin, are those of the policy.
func buildAlwaysUse(name string, o AlwaysUseOptions, child func(string) (Child, error)) (storage.Store, error) {
	c, err := child(o.Backend)
	if err != nil {
		return nil, storage.Errorf(storage.CodeInvalidArgument, "policy %q: %w", name, err)
	}
	return borrowed{c.Store}, nil
}
