package discovery

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/trust"
)

func described(path, version string, digest byte, dir int) Described {
	return Described{
		Candidate:  Candidate{Name: "local", Path: path, DirIndex: dir, Digest: trust.Digest{digest}},
		PluginName: "local", PluginVersion: version,
	}
}

func TestChoose(t *testing.T) {
	tests := []struct {
		name       string
		all        []Described
		constraint string
		want       string            // path of the chosen; "" when none is left
		reasons    map[string]string // path -> part of the reason
	}{
		{name: "nothing to choose from"},
		{
			name: "highest version wins, whatever the folder",
			all:  []Described{described("/a", "1.9.0", 1, 0), described("/b", "1.10.0", 2, 1)},
			want: "/b", reasons: map[string]string{"/a": "version 1.9.0 is lower than 1.10.0 of /b"},
		},
		{
			name:       "a pin overrides the order",
			all:        []Described{described("/a", "1.9.0", 1, 0), described("/b", "2.0.0", 2, 0)},
			constraint: "~1.9", want: "/a", reasons: map[string]string{"/b": `does not satisfy "~1.9"`},
		},
		{
			name:       "a pin that nothing satisfies",
			all:        []Described{described("/a", "1.9.0", 1, 0)},
			constraint: ">= 3", reasons: map[string]string{"/a": `does not satisfy ">= 3"`},
		},
		{
			name: "a release beats its candidates",
			all:  []Described{described("/a", "2.0.0-rc.1", 1, 0), described("/b", "2.0.0", 2, 0)},
			want: "/b", reasons: map[string]string{"/a": "lower"},
		},
		{
			name: "equal versions are decided by the digest, not the folder",
			all:  []Described{described("/a", "1.0.0", 9, 0), described("/b", "1.0.0", 3, 1)},
			want: "/b", reasons: map[string]string{"/a": "smaller digest"},
		},
		{
			name: "equal binaries are decided by the folder",
			all:  []Described{described("/z", "1.0.0", 3, 0), described("/b", "1.0.0", 3, 1)},
			want: "/z", reasons: map[string]string{"/b": "the same binary as /z"},
		},
		{
			name: "a version that is none",
			all:  []Described{described("/a", "latest", 1, 0), described("/b", "0.1.0", 2, 0)},
			want: "/b", reasons: map[string]string{"/a": "not a semantic version"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 8 { // the order of the input must not matter
				rand.Shuffle(len(tt.all), func(i, j int) { tt.all[i], tt.all[j] = tt.all[j], tt.all[i] })
				got, others, ok, err := Choose(tt.all, tt.constraint)
				if err != nil {
					t.Fatal(err)
				}
				if got.Path != tt.want || ok != (tt.want != "") {
					t.Fatalf("chose %q (%v), want %q", got.Path, ok, tt.want)
				}
				if len(others) != len(tt.reasons) {
					t.Fatalf("%d others, want %d", len(others), len(tt.reasons))
				}
				for _, o := range others {
					if !strings.Contains(o.Reason, tt.reasons[o.Path]) || o.Reason == "" {
						t.Errorf("%s: %q, want %q", o.Path, o.Reason, tt.reasons[o.Path])
					}
				}
			}
		})
	}
}

func TestChooseRefusesABadConstraint(t *testing.T) {
	if _, _, _, err := Choose(nil, "newest"); err == nil || !strings.Contains(err.Error(), `"newest"`) {
		t.Errorf("Choose: %v", err)
	}
}

func TestCheckIdentity(t *testing.T) {
	d := described("/p/stowage-plugin-local", "1.0.0", 1, 0)
	if err := CheckIdentity(d); err != nil {
		t.Errorf("a plugin named like its file: %v", err)
	}
	d.PluginName = "other"
	if err := CheckIdentity(d); err == nil || !strings.Contains(err.Error(), "rename the file to stowage-plugin-other") {
		t.Errorf("a plugin named unlike its file: %v", err)
	}
	d.PluginName = "../x"
	if err := CheckIdentity(d); err == nil || !strings.Contains(err.Error(), "not a plugin name") {
		t.Errorf("a plugin with an impossible name: %v", err)
	}
}
