package routing

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func kindNamed(t testing.TB, name string) Kind {
	t.Helper()
	for _, k := range Kinds(event.Listener{}) {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("there is no policy %q", name)
	return Kind{}
}

func children(all ...Child) func(string) (Child, error) {
	return func(ref string) (Child, error) {
		for _, c := range all {
			if c.Name == ref {
				return c, nil
			}
		}
		return Child{}, storage.Errorf(storage.CodeInvalidArgument, "there is no %s", ref)
	}
}

func TestKindsCanBeConfigured(t *testing.T) {
	for _, k := range Kinds(event.Listener{}) {
		t.Run(k.Name, func(t *testing.T) {
			s, err := schema.Reflect(reflect.New(reflect.TypeOf(k.Options)).Interface())
			if err != nil {
				t.Fatal(err)
			}
			refs := 0
			for _, a := range s.Attributes {
				if a.Ref {
					refs++
				}
				if a.Doc == "" {
					t.Errorf("the attribute %q is not documented", a.Name)
				}
			}
			if refs == 0 || k.Doc == "" {
				t.Errorf("%d references, documentation %q", refs, k.Doc)
			}
			if _, err := k.Build("p", "nonsense", children()); err == nil {
				t.Error("it was built with options of another type")
			}
		})
	}
}

func TestFirstAvailableOffersOnlyWhatItDoes(t *testing.T) {
	s, err := schema.Reflect(&FirstAvailableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range s.Attributes {
		if a.Name == "writes" && strings.Join(a.Enum, " ") != "sticky" {
			t.Errorf("writes offers %q", a.Enum)
		}
	}
}

func TestBadPoliciesAreRefused(t *testing.T) {
	a := Child{Name: "backend.a", Store: memory(t)}
	cases := []struct {
		name, kind string
		options    any
		want       string
	}{
		{"unknown child", "always_use", &AlwaysUseOptions{Backend: "backend.x"}, `policy "p": invalid argument: there is no backend.x`},
		{"unknown child in an order", "first_available", &FirstAvailableOptions{Order: []string{"backend.a", "backend.x"}}, "there is no backend.x"},
		{"empty order", "first_available", &FirstAvailableOptions{}, "the order is empty"},
		{"twice in the order", "first_available", &FirstAvailableOptions{Order: []string{"backend.a", "backend.a"}}, "backend.a is twice in the order"},
		{"writes that are not there", "first_available", &FirstAvailableOptions{Order: []string{"backend.a"}, Writes: "failover"}, `writes = "failover" is not known`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := kindNamed(t, c.kind).Build("p", c.options, children(a))
			wantCode(t, err, storage.CodeInvalidArgument)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func alwaysUse(t testing.TB, s storage.Store) storage.Store {
	t.Helper()
	p, err := kindNamed(t, "always_use").Build("p", &AlwaysUseOptions{Backend: "backend.a"}, children(Child{Name: "backend.a", Store: s}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAlwaysUseConformance(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{
		Open:    func(t testing.TB) storage.Backend { return alwaysUse(t, memory(t)) },
		Options: storagetest.Options{Alone: true, KeepOpen: true},
	})
}

func TestAlwaysUseNeitherFailsOverNorCloses(t *testing.T) {
	m := memory(t)
	s := &switched{Store: m}
	p := alwaysUse(t, s)
	o := put(t, p, "k", "v")
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, err := m.Stat(t.Context(), "k", storage.StatOptions{}); err != nil || now.ETag != o.ETag {
		t.Errorf("closing the policy closed its child, or its etags are others: %q, %v", now.ETag, err)
	}
	if p.Capabilities() != m.Capabilities() {
		t.Error("the capabilities are not those of the child")
	}
	s.fail(storage.CodeUnavailable)
	_, err := p.Stat(t.Context(), "k", storage.StatOptions{})
	wantCode(t, err, storage.CodeUnavailable)
}

func TestDefaultOrdersByPriority(t *testing.T) {
	child := func(name string, priority int) (Child, *switched) {
		s := newSwitched(t)
		put(t, s.Store, "k", name)
		c := s.child(name)
		c.Priority = priority
		return c, s
	}
	low, _ := child("backend.low", 1)
	b, first := child("backend.b", 5)
	a, _ := child("backend.a", 5)
	p, err := Default([]Child{low, b, a}, event.Listener{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "backend.b" {
		t.Errorf("read %q, %v; want that of backend.b", got, err)
	}
	first.fail(storage.CodeUnavailable)
	if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "backend.a" {
		t.Errorf("read %q, %v; want that of backend.a", got, err)
	}
	if _, err := Default(nil, event.Listener{}); storage.CodeOf(err) != storage.CodeInvalidArgument {
		t.Errorf("without backends: %v", err)
	}
	single, err := Default([]Child{low}, event.Listener{})
	if err != nil {
		t.Fatal(err)
	}
	bare, err := low.Store.Stat(context.Background(), "k", storage.StatOptions{})
	o, err2 := single.Stat(t.Context(), "k", storage.StatOptions{})
	if err != nil || err2 != nil || o.ETag != bare.ETag {
		t.Errorf("a single backend shows etag %q instead of its own %q", o.ETag, bare.ETag)
	}
}
