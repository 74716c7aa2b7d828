// Stowage-plugin-memory keeps objects in memory, within a bound, and forgets
// those that are used least.
package main

import (
	"github.com/p2p-ai-agents/stowage/plugins/memory/memory"
	"github.com/p2p-ai-agents/stowage/sdk"
)

func main() { sdk.Serve(memory.Plugin()) }
