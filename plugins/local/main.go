// Stowage-plugin-local stores objects on this machine, in memory or on disk.
package main

import (
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk"
)

func main() { sdk.Serve(local.Plugin()) }
