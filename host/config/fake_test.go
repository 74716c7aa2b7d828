package config_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

type localConfig struct {
	Path     string          `stowage:"path,path" doc:"Directory of the objects; without it they are kept in memory."`
	MaxBytes schema.ByteSize `stowage:"max_bytes" max:"1PiB"`
	Sync     bool            `stowage:"sync" default:"true"`
}

type supabaseConfig struct {
	URL     string            `stowage:"url,required" pattern:"^https://" doc:"Address of the project."`
	Key     string            `stowage:"service_role_key,required,sensitive" pattern:"^sk-" doc:"The service role key of the project."`
	Bucket  string            `stowage:"bucket" default:"objects"`
	Headers map[string]string `stowage:"headers,sensitive"`
	Cache   string            `stowage:"cache_dir,path" default:"cache"`
	Mirrors []mirror          `stowage:"mirror" max:"3"`
}

type mirror struct {
	Region string        `stowage:"region,required"`
	Lag    time.Duration `stowage:"lag" default:"1s"`
}

type alwaysUse struct {
	Backend string `stowage:"backend,required,ref" doc:"The only backend."`
}

type firstAvailable struct {
	Order  []string `stowage:"order,required,ref" doc:"The candidates, the first one first."`
	Writes string   `stowage:"writes" default:"sticky" enum:"sticky,failover"`
}

type custom struct {
	Place string `stowage:"place,required,expr" doc:"Where an object goes."`
	Spare string `stowage:"spare,ref"`
}

type redundant struct {
	Replicas []string `stowage:"replicas,required,ref" doc:"What holds the copies."`
	Write    string   `stowage:"write" default:"quorum" enum:"one,quorum,all"`
}

// checkPolicy refuses replicas that are made of custom policies, warns of a
// single one, and wants write = "all" of two.
func checkPolicy(kind string, value cty.Value, kinds func(ref string) []string) schema.Diagnostics {
	if kind != "redundant" {
		return nil
	}
	var p redundant
	diags := schema.Decode(value, &p)
	for i, ref := range p.Replicas {
		if all := kinds(ref); slices.Contains(all, "custom") {
			diags.Append(schema.Errorf(schema.AttrPath("replicas").IndexInt(i), "Unsafe combination", "%s is made of %s: a replica must hold all it is given.", ref, strings.Join(all, ", ")))
		}
	}
	switch {
	case len(p.Replicas) == 1:
		diags.Append(schema.Warningf(schema.AttrPath("replicas"), "Nothing is redundant", "A single replica protects from nothing."))
	case len(p.Replicas) == 2 && p.Write != "all":
		diags.Append(schema.Errorf(schema.AttrPath("write"), "Unsafe combination", "Two replicas need write = \"all\"."))
	}
	return diags
}

func reflected(t testing.TB, of any) *schema.Schema {
	t.Helper()
	s, err := schema.Reflect(of)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// options are those of a host with a few kinds of policies and a small
// environment.
func options(t testing.TB) config.Options {
	env := map[string]string{"SUPABASE_KEY": secret, "EMPTY": "", "PORT": "7465", "BAD": "hunter2"}
	return config.Options{
		Policies: map[string]*schema.Schema{
			"always_use":      reflected(t, alwaysUse{}),
			"first_available": reflected(t, firstAvailable{}),
			"custom":          reflected(t, custom{}),
			"redundant":       reflected(t, redundant{}),
		},
		CheckPolicy: checkPolicy,
		LookupEnv: func(name string) (string, bool) {
			value, ok := env[name]
			return value, ok
		},
	}
}

const secret = "sk-hunter2"

// plugins is a Describer of two plugins that work and one that does not.
type plugins struct {
	schemas map[string]*schema.Schema
}

func fakePlugins(t testing.TB) *plugins {
	return &plugins{schemas: map[string]*schema.Schema{
		"local":    reflected(t, localConfig{}),
		"supabase": reflected(t, supabaseConfig{}),
	}}
}

func (p *plugins) Schema(_ context.Context, plugin string) (*schema.Schema, error) {
	if plugin == "broken" {
		return nil, errors.New("start plugin: exit status 1")
	}
	s, ok := p.schemas[plugin]
	if !ok {
		return nil, fmt.Errorf("%q: %w", plugin, config.ErrUnknownPlugin)
	}
	return s, nil
}

func (p *plugins) Names() []string { return []string{"supabase", "local", "broken"} }

func (p *plugins) Validate(_ context.Context, plugin, _ string, value cty.Value) (schema.Diagnostics, error) {
	if plugin == "local" {
		if path, size := value.GetAttr("path"), value.GetAttr("max_bytes"); !path.IsNull() && !size.IsNull() {
			return schema.Diagnostics{schema.Errorf(schema.AttrPath("max_bytes"), "Only in memory", "max_bytes bounds the memory of a backend without a path. Take out one of the two.")}, nil
		}
		return nil, nil
	}
	var c supabaseConfig
	diags := schema.Decode(value, &c)
	for i, m := range c.Mirrors {
		if m.Region == "mars" {
			diags.Append(schema.Errorf(schema.AttrPath("mirror").IndexInt(i).GetAttr("region"), "Unknown region", "There is no region %q.", m.Region))
		}
	}
	if strings.Contains(c.URL, "refused") {
		diags.Append(schema.Errorf(schema.AttrPath("service_role_key"), "Key refused", "The server does not know the key %q.\x1b[2J", c.Key))
	}
	return diags, nil
}
