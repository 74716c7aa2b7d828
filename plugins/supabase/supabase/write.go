package supabase

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// maxCondemned is how often a large value is uploaded anew because its object
// was taken for an orphan before a row pointed to it.
const maxCondemned = 2

// Put implements storage.Backend.
func (b *backend) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	ctx, leave, err := b.gate.enter(ctx)
	if err != nil {
		return storage.PutResult{}, err
	}
	defer leave()
	head, whole, err := readHead(body, int64(b.config.InlineLimit), opts.SizeHint)
	if err != nil {
		return storage.PutResult{}, notCommitted(err)
	}
	if whole {
		v := value{size: int64(len(head)), crc: storage.Checksum(0, head), inline: head}
		return b.commit(ctx, key, &v, opts)
	}
	if b.bucket.name == "" {
		return storage.PutResult{}, b.tooLarge()
	}
	return b.putLarge(ctx, key, head, body, opts)
}

func (b *backend) tooLarge() error {
	return storage.Errorf(storage.CodeTooLarge, "the value has more than %d bytes; with a bucket the backend would take larger ones", int64(b.config.InlineLimit))
}

// readHead reads body up to its end or to one byte over limit.
func readHead(body io.Reader, limit, hint int64) (head []byte, whole bool, err error) {
	var buf bytes.Buffer
	if hint > 0 {
		buf.Grow(int(min(hint, limit)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(body, limit+1))
	return buf.Bytes(), n <= limit, err
}

// notCommitted is the error of a put whose body failed.
func notCommitted(err error) error {
	e := storage.AsError(err)
	e.OutcomeUnknown = false
	return e
}

// value is what a row is to hold: the bytes, or the name of an object.
type value struct {
	size   int64
	crc    uint32
	inline []byte
	object string
}

// fields are the arguments that say what to put.
func (v *value) fields(opts storage.PutOptions, prefix string) map[string]any {
	kind, etag := condition(opts.If)
	fields := map[string]any{
		prefix + "size": v.size, prefix + "crc32c": v.crc,
		prefix + "content_type": opts.ContentType, prefix + "metadata": opts.Metadata,
		prefix + "condition": kind, prefix + "etag": etag,
	}
	if v.object != "" {
		fields[prefix+"object"] = v.object
	} else {
		fields[prefix+"value"] = v.inline // in base64
	}
	if opts.TTL > 0 {
		fields[prefix+"ttl"] = max(opts.TTL.Microseconds(), 1)
	}
	return fields
}

func (v *value) put(key, etag string, r *writeResult, opts storage.PutOptions) storage.PutResult {
	return storage.PutResult{
		Created: storage.TristateOf(r.Created),
		Object: storage.Object{
			Key: key, Size: v.size, ETag: etag, ContentType: opts.ContentType, Metadata: maps.Clone(opts.Metadata),
			ModTime: time.UnixMicro(r.ModifiedAt), ExpiresAt: expiry(r.ExpiresAt), CRC32C: v.crc,
		},
	}
}

// errCondemned says that the object of a value may not be pointed to any more.
var errCondemned = storage.Errorf(storage.CodeUnavailable, "the uploaded object was taken for an orphan before a row pointed to it")

// commit puts the row.
func (b *backend) commit(ctx context.Context, key string, v *value, opts storage.PutOptions) (storage.PutResult, error) {
	if err := b.encoding.Acquire(ctx, int64(len(v.inline))); err != nil {
		return storage.PutResult{}, cause(ctx)
	}
	defer b.encoding.Release(int64(len(v.inline)))
	args := v.fields(opts, "p_")
	args["p_namespace"], args["p_key"] = b.config.Namespace, key
	r, err := b.writer.write(ctx, "put", []string{key}, args)
	switch {
	case err != nil:
		return storage.PutResult{}, err
	case r.OK:
		return v.put(key, r.Version, r, opts), nil
	case r.Reason == reasonCondemned:
		return storage.PutResult{}, errCondemned
	case r.Reason == reasonCondition:
		return storage.PutResult{}, refused(opts.If, r.ETag)
	default:
		return storage.PutResult{}, unexpected("put", r.Reason)
	}
}

func unexpected(function, reason string) error {
	return storage.Errorf(storage.CodeInternal, "the function %s refused for the unknown reason %q", function, reason)
}

// putLarge spools the value, uploads it and has the row point to it.
func (b *backend) putLarge(ctx context.Context, key string, head []byte, rest io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := b.worthwhile(ctx, key, opts.If); err != nil {
		return storage.PutResult{}, err
	}
	if err := b.uploads.Acquire(ctx, 1); err != nil {
		return storage.PutResult{}, cause(ctx)
	}
	defer b.uploads.Release(1)
	s, err := newSpool(b.spool, io.MultiReader(bytes.NewReader(head), rest))
	if err != nil {
		return storage.PutResult{}, notCommitted(err)
	}
	defer s.close()
	for condemned := 0; ; condemned++ {
		object := b.bucket.newObject(b.config.Namespace)
		if err := b.bucket.upload(ctx, object, s); err != nil {
			b.discard(object)
			return storage.PutResult{}, err
		}
		res, err := b.commit(ctx, key, &value{size: s.size, crc: s.crc, object: object}, opts)
		if err == nil {
			return res, nil
		}
		if !storage.AsError(err).OutcomeUnknown {
			b.discard(object)
		}
		if !errors.Is(err, errCondemned) || condemned == maxCondemned {
			return storage.PutResult{}, err
		}
	}
}

// worthwhile spares an upload whose condition does not hold.
func (b *backend) worthwhile(ctx context.Context, key string, c storage.Condition) error {
	if c.IsNone() {
		return nil
	}
	r, err := b.read(ctx, readItem{Key: key})
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	current := ""
	if err == nil {
		current = r.Version
	}
	return c.Check(current)
}

// discard gives up objects that no row points to, beside the operation. Should
// that fail, they are found later by their age.
func (b *backend) discard(objects ...string) {
	b.gate.goes(func(ctx context.Context) {
		if err := b.condemn(ctx, objects); err != nil {
			b.log.Debug("objects that were given up are left for later", "objects", objects, "error", err)
		}
	})
}

// Delete implements storage.Backend.
func (b *backend) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	ctx, leave, err := b.gate.enter(ctx)
	if err != nil {
		return storage.Deleted{}, err
	}
	defer leave()
	kind, etag := condition(opts.If)
	r, err := b.writer.write(ctx, "delete", []string{key}, map[string]any{
		"p_namespace": b.config.Namespace, "p_key": key, "p_condition": kind, "p_etag": etag,
	})
	switch {
	case err != nil:
		return storage.Deleted{}, err
	case r.OK:
		return storage.Deleted{Existed: storage.TristateOf(r.Existed)}, nil
	case r.Reason == reasonCondition:
		return storage.Deleted{}, refused(opts.If, r.ETag)
	default:
		return storage.Deleted{}, unexpected("delete", r.Reason)
	}
}
