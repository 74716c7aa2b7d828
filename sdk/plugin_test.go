package sdk_test

import (
	"context"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestAPluginCannotAskForExpressionsOrReferences(t *testing.T) {
	p := sdk.Plugin{
		Name: "memo", Version: "1.0.0",
		Open: func(context.Context, sdk.Instance) (storage.Backend, error) { return nil, nil },
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	p.Config = struct {
		Place string `stowage:"place,expr"`
	}{}
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), `Config: attribute "place": expr is for the policies of the host`) {
		t.Errorf("an expression: %v", err)
	}
	p.Config = struct {
		Backend string `stowage:"backend,ref"`
	}{}
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), "ref is for the policies of the host") {
		t.Errorf("a reference: %v", err)
	}
}
