package storagetest

import "context"

func healthRules() []rule {
	return []rule{
		{group: "health", name: "an-open-backend-is-healthy", check: func(ctx context.Context, p *probe) {
			for range 3 {
				p.ok(p.store.CheckHealth(ctx), "the health check")
			}
		}},
		{group: "health", name: "capabilities-do-not-change", check: func(ctx context.Context, p *probe) {
			before := p.suite.backend.Capabilities()
			p.set(ctx, p.key("k"), "v")
			equal(p, "what the backend declares", p.suite.backend.Capabilities(), before)
		}},
		{group: "health", name: "checking-writes-nothing", check: func(ctx context.Context, p *probe) {
			obj := p.set(ctx, p.key("k"), "v")
			p.ok(p.store.CheckHealth(ctx), "the health check")
			p.sameObject("the object", p.stat(ctx, p.key("k")), obj)
		}},
	}
}
