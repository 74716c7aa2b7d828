package routing

import "github.com/p2p-ai-agents/stowage/sdk/storage"

// AlwaysUse is the policy "always_use": one child serves everything, and its
// capabilities, etags and errors, which name backend and plugin, are those of
// the policy. There is no failover.
type AlwaysUse struct {
	Backend string `stowage:"backend,required,ref" doc:"The backend or policy that serves everything."`
}

// Build implements [Policy].
func (o AlwaysUse) Build(name string, _ Env, child func(string) (Child, error)) (storage.Store, error) {
	children, err := childrenOf(name, "backend", []string{o.Backend}, child)
	if err != nil {
		return nil, err
	}
	return borrowed{children[0].Store}, nil
}
