package routing

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestAStaticExpressionIsARoute(t *testing.T) {
	k := newKids(t)
	p := build(t, Custom{Place: `startswith(key, "logs/") ? backend.c : (endswith(key, ".tmp") ? backend.b : backend.a)`}, Env{}, k.children()...)
	for key, want := range map[string]int{"x": 0, "logs/x": 2, "x.tmp": 1, "logs/x.tmp": 2} {
		put(t, p, key, "v")
		if at := k.holder(t, key); at != want {
			t.Errorf("%q is at %d, want %d", key, at, want)
		}
		put(t, k[(want+1)%3].Store, key, "a stranger's")
		if got, err := read(t, p, key, storage.GetOptions{}); err != nil || got != "v" {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
	put(t, k[0].Store, "logs/stranger", "v")
	keys, _ := listAll(t, p, storage.ListOptions{})
	if got := strings.Join(keys, " "); got != "logs/x logs/x.tmp x x.tmp" {
		t.Errorf("listed %s", got)
	}
	k[1].fail(storage.CodeUnavailable)
	if _, err := read(t, p, "x", storage.GetOptions{}); err != nil {
		t.Errorf("a key of another child: %v", err)
	}
	_, err := read(t, p, "x.tmp", storage.GetOptions{})
	if wantCode(t, err, storage.CodeUnavailable); !strings.Contains(err.Error(), "the key belongs to backend.b") {
		t.Error(err)
	}
}

func TestAnExpressionWithoutAValue(t *testing.T) {
	k := newKids(t)
	for _, place := range []string{
		"10 / (length(key) - 1) > 3 ? backend.a : backend.b",
		"10 / (length(key) - 1) > size ? backend.a : backend.b",
	} {
		p := build(t, Custom{Place: place}, testEnv(t), k.children()...)
		_, err := p.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
		if wantCode(t, err, storage.CodeInvalidArgument); !strings.Contains(err.Error(), "no place for this object") {
			t.Error(err)
		}
	}
}

func TestObjectsStayVisibleWhereTheyWerePlacedEarlier(t *testing.T) {
	h := newPlacedHost(t, byType())
	h.mustPut("k", "v", "c")
	h.policy = Custom{Place: `content_type == "b" ? backend.b : backend.a`, Backends: []string{"backend.c"}}
	h.restart()
	h.reads("k", "v")
	h.mustPut("k", "w", "c")
	h.has("k", "w||")
}

func TestBadCustomPoliciesAreRefused(t *testing.T) {
	k := newKids(t)
	planners := map[string]Planner{"one": planFunc(nil), "two": planFunc(nil)}
	for want, o := range map[string]Custom{
		"either place or planner is needed": {},
		"place and planner exclude":         {Place: "backend.a", Planner: "one", Backends: names},
		"a planner needs backends":          {Planner: "one"},
		"There is no variable siez":         {Place: "siez > 1 ? backend.a : backend.b"},
		"leave backends out":                {Place: "backend.a", Backends: names},
	} {
		_, err := o.Build("p", Env{Planners: planners}, Children(k.children()...))
		if wantCode(t, err, storage.CodeInvalidArgument); !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
		if diags := o.Check(func(string) []string { return nil }); !diags.HasErrors() || !strings.Contains(diags[0].Detail, want) {
			t.Errorf("%+v: %v, want %q", o, diags, want)
		}
	}
	for want, o := range map[string]Custom{
		`there is no planner "three"; there are one, two`: {Planner: "three", Backends: names},
		"that needs a journal":                            {Place: "size > 1 ? backend.a : backend.b"},
		"there is no backend.x":                           {Place: "backend.x"},
	} {
		_, err := o.Build("p", Env{Planners: planners}, Children(k.children()...))
		if wantCode(t, err, storage.CodeInvalidArgument); !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	_, err := Custom{Planner: "x", Backends: names}.Build("p", Env{}, Children(k.children()...))
	if wantCode(t, err, storage.CodeInvalidArgument); !strings.Contains(err.Error(), "registers none") {
		t.Error(err)
	}
}

func TestPlannersAreNotTrusted(t *testing.T) {
	k := newKids(t)
	k[1].state(event.BreakerOpen)
	for want, plan := range map[string]Plan{
		"it gave no targets":                  {},
		"it gave the target 3, of 3 children": {Targets: []int{0, 3}},
		"it gave the target -1":               {Targets: []int{-1}},
		"it gave the target 2 twice":          {Targets: []int{2, 0, 2}},
		`it gave the write concern "most"`:    {Targets: []int{0}, Write: "most"},
		`it gave the reading "some"`:          {Targets: []int{0}, Read: "some"},
	} {
		p := &planning{policy: "p", children: k.children(), planner: planFunc(func(PlanRequest) (Plan, error) { return plan, nil })}
		_, err := p.plan(event.OpGet, "k")
		if wantCode(t, err, storage.CodeInternal); !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", plan, err, want)
		}
	}
	p := &planning{policy: "p", children: k.children(), planner: planFunc(func(PlanRequest) (Plan, error) { panic("at the disco") })}
	_, err := p.plan(event.OpGet, "k")
	if wantCode(t, err, storage.CodeInternal); !strings.Contains(err.Error(), "it panicked: at the disco") {
		t.Error(err)
	}
	refusal := errors.New("not today")
	p.planner = planFunc(func(PlanRequest) (Plan, error) { return Plan{}, refusal })
	if _, err = p.plan(event.OpGet, "k"); !errors.Is(err, refusal) {
		t.Error(err)
	}
	shared := []int{2, 1}
	p.planner = planFunc(func(r PlanRequest) (Plan, error) {
		if r.Op != event.OpPut || r.Key != "k" || len(r.Children) != 3 || r.Children[1] != (ChildSnapshot{"backend.b", event.BreakerOpen}) {
			t.Errorf("the planner was asked %+v", r)
		}
		return Plan{Targets: shared, Write: WriteOne}, nil
	})
	plan, err := p.plan(event.OpPut, "k")
	shared[0] = 7
	if err != nil || fmt.Sprint(plan.Targets) != "[2 1]" || plan.Write != WriteOne {
		t.Errorf("%+v, %v", plan, err)
	}
}

type planFunc func(PlanRequest) (Plan, error)

func (f planFunc) Plan(r PlanRequest) (Plan, error) { return f(r) }
