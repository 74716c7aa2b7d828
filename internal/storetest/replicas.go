package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// tombstone is the reserved metadata of objects that stand for deleted ones.
const tombstone = storage.ReservedMetadataPrefix + "tombstone"

// sameEverywhere returns how children differ that should hold the same, in their
// reserved metadata as well. A tombstone is as good as nothing.
func sameEverywhere(children []*Child) error {
	var faults []error
	first := children[0].visible()
	for _, c := range children[1:] {
		other := c.visible()
		all := slices.Concat(slices.Collect(maps.Keys(first)), slices.Collect(maps.Keys(other)))
		slices.Sort(all)
		for _, key := range slices.Compact(all) {
			a, has := first[key]
			b, hasToo := other[key]
			if has != hasToo || !same(a, b) {
				faults = append(faults, fmt.Errorf("%q is %s on %s and %s on %s", key, a, children[0].Name(), b, c.Name()))
			}
		}
	}
	return errors.Join(faults...)
}

// nowhereTwice returns which keys several children hold.
func nowhereTwice(children []*Child) error {
	var faults []error
	held := make(map[string]string)
	for _, c := range children {
		for key, o := range c.visible() {
			if other, twice := held[key]; twice {
				faults = append(faults, fmt.Errorf("%q is on %s and on %s, which has %v", key, other, c.Name(), o))
			}
			held[key] = c.Name()
		}
	}
	return errors.Join(faults...)
}

func same(a, b Stored) bool {
	return bytes.Equal(a.Value, b.Value) && a.ContentType == b.ContentType && maps.Equal(a.Metadata, b.Metadata) &&
		a.ExpiresAt.IsZero() == b.ExpiresAt.IsZero()
}

// visible is what the child holds without tombstones.
func (c *Child) visible() map[string]Stored {
	all := c.Objects()
	maps.DeleteFunc(all, func(key string, o Stored) bool {
		return o.Metadata[tombstone] != "" || strings.HasPrefix(key, storage.ReservedMetadataPrefix)
	})
	return all
}

// String tells the value and the reserved metadata.
func (o Stored) String() string {
	if o.Key == "" {
		return "nothing"
	}
	var reserved []string
	for _, name := range slices.Sorted(maps.Keys(o.Metadata)) {
		if strings.HasPrefix(name, storage.ReservedMetadataPrefix) {
			reserved = append(reserved, name+"="+o.Metadata[name])
		}
	}
	return fmt.Sprintf("value %s %v until %v", o.Metadata["id"], reserved, o.ExpiresAt.Format(time.TimeOnly))
}

// store gives the child a value without a host.
func (c *Child) store(key string, id int) error {
	n := c.Connect()
	defer n.Cut()
	_, err := n.Put(context.Background(), key, io.Reader(strings.NewReader(text(id, 0))), putOptions(id, 0))
	c.Sync()
	return err
}

func (m *machine) repair(s storage.Store) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	return m.harness.Repair(ctx, s)
}
