package routing

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestKindsCanBeConfigured(t *testing.T) {
	for _, k := range Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			s, err := schema.Reflect(reflect.New(reflect.TypeOf(k.Policy)).Interface())
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
		})
	}
}

func TestFirstAvailableOffersOnlyWhatItDoes(t *testing.T) {
	s, err := schema.Reflect(&FirstAvailable{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range s.Attributes {
		if a.Name == "writes" && strings.Join(a.Enum, " ") != "sticky failover" {
			t.Errorf("writes offers %q", a.Enum)
		}
	}
}

func TestBadPoliciesAreRefused(t *testing.T) {
	a := Child{Name: "backend.a", Store: memory(t)}
	cases := []struct {
		name   string
		policy Policy
		want   string
	}{
		{"unknown child", AlwaysUse{Backend: "backend.x"}, `policy "p": invalid argument: there is no backend.x`},
		{"unknown child in an order", FirstAvailable{Order: []string{"backend.a", "backend.x"}}, "there is no backend.x"},
		{"empty order", FirstAvailable{}, "order is empty"},
		{"twice in the order", FirstAvailable{Order: []string{"backend.a", "backend.a"}}, "backend.a is twice in order"},
		{"writes that are not there", FirstAvailable{Order: []string{"backend.a"}, Writes: "sometimes"}, `writes = "sometimes" is not known`},
		{"failing over without a journal", FirstAvailable{Order: []string{"backend.a"}, Writes: "failover"}, `needs the host's journal`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.policy.Build("p", Env{}, Children(a))
			wantCode(t, err, storage.CodeInvalidArgument)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func alwaysUse(t testing.TB, s storage.Store) storage.Store {
	t.Helper()
	p, err := AlwaysUse{Backend: "backend.a"}.Build("p", Env{}, Children(Child{Name: "backend.a", Store: s}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAlwaysUseConformance(t *testing.T) {
	t.Parallel()
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
	p, err := Default([]Child{low, b, a}, Env{})
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
	if _, err := Default(nil, Env{}); storage.CodeOf(err) != storage.CodeInvalidArgument {
		t.Errorf("without backends: %v", err)
	}
	single, err := Default([]Child{low}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	bare, err := low.Store.Stat(context.Background(), "k", storage.StatOptions{})
	o, err2 := single.Stat(t.Context(), "k", storage.StatOptions{})
	if err != nil || err2 != nil || o.ETag != bare.ETag {
		t.Errorf("a single backend shows etag %q instead of its own %q", o.ETag, bare.ETag)
	}
}
