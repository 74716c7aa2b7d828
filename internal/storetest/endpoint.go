package storetest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// object is what a child holds. Its value is never changed.
type object struct {
	storage.Object
	value []byte
}

// Connection is one host's way to a child: a storage.Backend. When the host is
// killed its connections are cut, and the child lives on.
type Connection struct {
	child *Child
	cut   chan struct{}
	once  sync.Once
}

// Connect returns a new connection to the child. Closing it cuts it.
func (c *Child) Connect() *Connection { return &Connection{child: c, cut: make(chan struct{})} }

// Cut breaks the connection off: operations in flight fail, those that have not
// reached the child never will, and later ones are Unavailable.
func (n *Connection) Cut() { n.once.Do(func() { close(n.cut) }) }

// Close implements storage.Backend.
func (n *Connection) Close(context.Context) error {
	n.Cut()
	return nil
}

// Capabilities implements storage.Backend.
func (n *Connection) Capabilities() storage.Capabilities {
	return storage.Capabilities{
		ConditionalPut: true, ConditionalDelete: true, TTL: true, HealthCheck: true,
		Durable: !n.child.opts.Volatile, Consistency: storage.AllConsistencyLevels(),
	}
}

// CheckHealth implements storage.HealthChecker.
func (n *Connection) CheckHealth(ctx context.Context) error {
	return n.child.read(ctx, n.cut, "health", "", func(*call) error { return nil })
}

// live returns the object of key unless it is missing or expired. The caller
// holds mu, as for all functions below that say so by being Child's.
func (c *Child) live(key string) (object, bool) {
	o, ok := c.objects[key]
	if !ok || o.Expired(c.opts.Now()) {
		return object{}, false
	}
	o.Metadata = maps.Clone(o.Metadata)
	return o, true
}

func (c *Child) find(key, ifMatch string) (object, error) {
	o, ok := c.live(key)
	if !ok {
		return o, storage.Errorf(storage.CodeNotFound, "%s has no such object", c.opts.Name)
	}
	if ifMatch != "" {
		return o, storage.IfETag(ifMatch).Check(o.ETag)
	}
	return o, nil
}

// Get implements storage.Backend.
func (n *Connection) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	c := n.child
	var r *storage.Reader
	err := c.read(ctx, n.cut, "get", key, func(d *call) error {
		o, err := c.find(key, opts.IfMatch)
		if err != nil {
			return err
		}
		if r, err = storage.NewBytesReader(o.Object, opts.Range, o.value); err != nil {
			return err
		}
		r.Wrap(func(body io.ReadCloser) io.ReadCloser {
			b := &valueBody{ReadCloser: body, ctx: ctx.Err, broken: d.broken, cut: n.cut, left: r.Length + 1, child: c}
			if d.fault.Kind == BreakBody {
				b.left = r.Length / 2
			}
			return b
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// valueBody breaks off with the child or the host, or after left bytes.
type valueBody struct {
	io.ReadCloser
	ctx         func() error
	broken, cut <-chan struct{}
	left        int64
	child       *Child
}

func (b *valueBody) Read(p []byte) (int, error) {
	if err := b.ctx(); err != nil {
		return 0, storage.AsError(err)
	}
	if closed(b.broken) || closed(b.cut) || b.left == 0 {
		return 0, b.child.failure(storage.CodeUnavailable, false, "the value broke off")
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Stat implements storage.Backend.
func (n *Connection) Stat(ctx context.Context, key string, opts storage.StatOptions) (o storage.Object, err error) {
	err = n.child.read(ctx, n.cut, "stat", key, func(*call) error {
		found, err := n.child.find(key, opts.IfMatch)
		o = found.Object
		return err
	})
	if err != nil {
		return storage.Object{}, err
	}
	return o, nil
}

// Put implements storage.Backend.
func (n *Connection) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	c := n.child
	opts.Metadata = maps.Clone(opts.Metadata)
	var value bytes.Buffer
	var res storage.PutResult
	err := c.write(ctx, n.cut, "put", key, func() error {
		if _, err := value.ReadFrom(body); err != nil {
			e := storage.AsError(err)
			e.OutcomeUnknown = false
			return e
		}
		return nil
	}, func() (err error) {
		old, existed := c.live(key)
		if err := opts.If.Check(old.ETag); err != nil {
			return err
		}
		o := object{value: value.Bytes(), Object: storage.Object{
			Key: key, Size: int64(value.Len()), ETag: c.etag(), ContentType: opts.ContentType,
			Metadata: opts.Metadata, ModTime: c.opts.Now(), CRC32C: storage.Checksum(0, value.Bytes()),
		}}
		if opts.TTL > 0 {
			o.ExpiresAt = o.ModTime.Add(opts.TTL)
		}
		c.objects[key] = o
		res = storage.PutResult{Object: o.Object, Created: storage.TristateOf(!existed)}
		res.Object.Metadata = maps.Clone(o.Metadata)
		return nil
	})
	if err != nil {
		return storage.PutResult{}, err
	}
	return res, nil
}

// Delete implements storage.Backend.
func (n *Connection) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	c := n.child
	var res storage.Deleted
	err := c.write(ctx, n.cut, "delete", key, func() error { return nil }, func() error {
		old, existed := c.live(key)
		if err := opts.If.Check(old.ETag); err != nil {
			return err
		}
		delete(c.objects, key)
		res.Existed = storage.TristateOf(existed)
		return nil
	})
	if err != nil {
		return storage.Deleted{}, err
	}
	return res, nil
}

// List implements storage.Backend.
func (n *Connection) List(ctx context.Context, opts storage.ListOptions) (page storage.Page, err error) {
	at, err := storage.ParseListToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	err = n.child.read(ctx, n.cut, "list", opts.Prefix, func(*call) error {
		page = n.child.page(at, opts)
		return nil
	})
	if err != nil {
		return storage.Page{}, err
	}
	return page, nil
}

func (c *Child) page(at storage.ListPosition, opts storage.ListOptions) (page storage.Page) {
	for _, key := range slices.Sorted(maps.Keys(c.objects)) {
		o, ok := c.live(key)
		if !ok || !strings.HasPrefix(key, opts.Prefix) || at.Covers(key) {
			continue
		}
		if len(page.Objects)+len(page.Prefixes) == opts.Limit {
			page.NextToken = at.Token()
			return page
		}
		if prefix, ok := storage.CommonPrefix(key, opts.Prefix, opts.Delimiter); ok {
			page.Prefixes = append(page.Prefixes, prefix)
			at = storage.ListPosition{After: prefix, IsPrefix: true}
			continue
		}
		page.Objects = append(page.Objects, o.Object)
		at = storage.ListPosition{After: key}
	}
	return page
}
