package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"

	"github.com/Masterminds/semver/v3"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Plugin describes a storage plugin. Name, Version and Open are required.
type Plugin struct {
	// Name is how configurations refer to the plugin: lower-case letters,
	// digits, '-' and '_', beginning with a letter, at most 64 bytes. The
	// binary is called stowage-plugin-NAME.
	Name string
	// Version is a semantic version such as "1.2.0", without a leading v.
	Version string
	// Description says in a sentence what the plugin stores to.
	Description string
	// Config is the zero value of the struct that holds a backend's
	// configuration, tagged as package schema describes. Nil: the plugin has
	// nothing to configure.
	//
	// If a pointer to the struct has the method
	//
	//	Validate(ctx context.Context) schema.Diagnostics
	//
	// it is called with the decoded configuration before Open, and when an
	// operator only checks a configuration. It may not touch the network or
	// change anything.
	Config any
	// Open makes a backend ready to serve; it is called once for each backend
	// configured, possibly concurrently. ctx covers the opening only. An error
	// that is, or wraps, schema.Diagnostics points at the operator's lines.
	Open func(ctx context.Context, in Instance) (storage.Backend, error)
}

// Instance is what Open gets to know about the backend it opens.
type Instance struct {
	// Name is what the operator calls the backend.
	Name string
	// Config points to a filled-in struct of the type of Plugin.Config; nil if
	// that is nil.
	Config any
	// Logger writes to the host's log, with the backend's name. Never nil.
	Logger *slog.Logger
	// StateDir is a directory for the backend's own use that the host keeps
	// between runs; empty if it has none to give.
	StateDir string
}

// validator is the optional interface of a configuration.
type validator interface {
	Validate(ctx context.Context) schema.Diagnostics
}

// Check reports what is wrong with the description: an error for each fault,
// joined. Serve refuses a plugin for which it is not nil.
func (p Plugin) Check() error {
	var errs []error
	if len(p.Name) > 64 || !regexp.MustCompile(`^[a-z][a-z0-9_-]*$`).MatchString(p.Name) {
		errs = append(errs, fmt.Errorf("Name %q: lower-case letters, digits, '-' and '_' are allowed, beginning with a letter, at most 64", p.Name))
	}
	if _, err := semver.StrictNewVersion(p.Version); err != nil {
		errs = append(errs, fmt.Errorf("Version %q: %w", p.Version, err))
	}
	if p.Open == nil {
		errs = append(errs, errors.New("Open is nil"))
	}
	if _, err := p.schema(); err != nil {
		errs = append(errs, fmt.Errorf("Config: %w", err))
	}
	return errors.Join(errs...)
}

func (p Plugin) schema() (*schema.Schema, error) {
	if p.Config == nil {
		return &schema.Schema{}, nil
	}
	s, err := schema.Reflect(p.Config)
	if err != nil {
		return nil, err
	}
	return s, s.CheckForPlugin()
}

// newConfig returns a pointer to a new struct of Config's type.
func (p Plugin) newConfig() any {
	t := reflect.TypeOf(p.Config)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return reflect.New(t).Interface()
}
