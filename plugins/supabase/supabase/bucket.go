package supabase

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// bucket is where large values are. Objects have names that nothing had before
// and are never overwritten: Storage has no conditional writes, and its CDN
// would go on serving what an object had been.
type bucket struct {
	caller *caller
	name   string    // where new ones go; "": there are no new ones
	store  uuid.UUID // of the tables, so that several can share a bucket
}

// An object is called by its bucket, a slash and its name in it, so that it is
// found after the configuration names another bucket.
func splitObject(object string) (bucket, name string) {
	bucket, name, _ = strings.Cut(object, "/")
	return bucket, name
}

func newBucket(c *caller, config *Config, store uuid.UUID) *bucket {
	return &bucket{caller: c, name: config.Bucket, store: store}
}

// folder is where the objects of a namespace are. Object names have few
// characters to choose from, so the namespace is hashed.
func (b *bucket) folder(namespace string) string {
	sum := sha256.Sum256([]byte(namespace))
	return "stowage/" + b.store.String() + "/" + hex.EncodeToString(sum[:8]) + "/"
}

// newObject returns a new object.
func (b *bucket) newObject(namespace string) string {
	return b.name + "/" + b.folder(namespace) + uuid.NewString()
}

// objectPath is the path of an object below one of Storage's endpoints.
func objectPath(endpoint, object string) string {
	bucket, name := splitObject(object)
	return "/storage/v1/object" + endpoint + "/" + url.PathEscape(bucket) + "/" + escapePath(name)
}

// check asks whether the bucket is there and private.
func (b *bucket) check(ctx context.Context) error {
	req, err := b.caller.request(ctx, http.MethodGet, "/storage/v1/bucket/"+url.PathEscape(b.name), nil)
	if err != nil {
		return err
	}
	answer, _, a := b.caller.do(req)
	at := cty.GetAttrPath("bucket")
	switch {
	case a.last != nil && (a.last.status == http.StatusNotFound || a.last.status == http.StatusForbidden):
		return schema.Diagnostics{schema.Errorf(at, "There is no such bucket",
			"The project has no bucket %q that the key can see (%v). Create a private bucket of this name under Storage.", b.name, a.last)}
	case a.last != nil:
		return b.caller.fail(a)
	}
	var info struct {
		Public bool `json:"public"`
	}
	if err := json.Unmarshal(answer, &info); err != nil {
		return storage.Errorf(storage.CodeInternal, "the answer about the bucket is not what it should be: %w", err)
	}
	if info.Public {
		return schema.Diagnostics{schema.Errorf(at, "The bucket is public",
			"Whoever learns the URL of an object in %q can read it without a key. Make the bucket private, or take another.", b.name)}
	}
	return nil
}

// upload stores a value under a new name. What was uploaded of a value that
// could not be is found and removed later by its age.
func (b *bucket) upload(ctx context.Context, object string, s *spool) error {
	if s.size > chunkBytes {
		return b.uploadResumably(ctx, object, s)
	}
	req, err := b.caller.request(ctx, http.MethodPost, objectPath("", object), retryablehttp.ReaderFunc(func() (io.Reader, error) {
		return s.section(0, s.size), nil
	}))
	if err != nil {
		return err
	}
	req.ContentLength = s.size
	req.Header.Set("Content-Type", "application/octet-stream")
	_, _, a := b.caller.do(req)
	if a.last == nil {
		return nil
	}
	if a.last.status == http.StatusConflict {
		// Nobody else knows the name: an earlier attempt came through.
		if size, err := b.size(ctx, object); err == nil && size == s.size {
			return nil
		}
	}
	return b.caller.fail(a)
}

// size returns how many bytes an object has.
func (b *bucket) size(ctx context.Context, object string) (int64, error) {
	req, err := b.caller.request(ctx, http.MethodGet, objectPath("/info", object), nil)
	if err != nil {
		return 0, err
	}
	answer, _, a := b.caller.do(req)
	switch {
	case a.last != nil && a.last.missing:
		return 0, errObjectGone
	case a.last != nil:
		return 0, b.caller.fail(a)
	}
	var info struct {
		Size     *int64 `json:"size"`
		Metadata struct {
			Size          *int64 `json:"size"`
			ContentLength *int64 `json:"contentLength"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(answer, &info); err != nil {
		return 0, storage.Errorf(storage.CodeInternal, "the answer about an object is not what it should be: %w", err)
	}
	for _, size := range []*int64{info.Size, info.Metadata.Size, info.Metadata.ContentLength} {
		if size != nil {
			return *size, nil
		}
	}
	return 0, storage.Errorf(storage.CodeInternal, "the project does not say how large an object is")
}

// errObjectGone says that the bucket has no such object.
var errObjectGone = errors.New("the bucket has no such object")

// remove deletes objects. Those that are missing are no error.
func (b *bucket) remove(ctx context.Context, objects []string) error {
	names := make(map[string][]string)
	for _, object := range objects {
		bucket, name := splitObject(object)
		names[bucket] = append(names[bucket], name)
	}
	for bucket, names := range names {
		if err := b.removeFrom(ctx, bucket, names); err != nil {
			return err
		}
	}
	return nil
}

func (b *bucket) removeFrom(ctx context.Context, bucket string, names []string) error {
	body, err := json.Marshal(map[string][]string{"prefixes": names})
	if err != nil {
		return err
	}
	req, err := b.caller.request(ctx, http.MethodDelete, "/storage/v1/object/"+url.PathEscape(bucket), body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if _, _, a := b.caller.do(req); a.last != nil {
		return b.caller.fail(a)
	}
	return nil
}

// listed is one object of a listing.
type listed struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

// list returns a page of the objects in a folder, the cursor of the next, ""
// after the last, and what time it is where they were created.
func (b *bucket) list(ctx context.Context, folder, cursor string) (objects []listed, next string, now time.Time, err error) {
	args := map[string]any{"prefix": folder, "limit": maxPage, "with_delimiter": false}
	if cursor != "" {
		args["cursor"] = cursor
	}
	body, err := json.Marshal(args)
	if err != nil {
		return nil, "", now, err
	}
	req, err := b.caller.request(ctx, http.MethodPost, "/storage/v1/object/list-v2/"+url.PathEscape(b.name), body)
	if err != nil {
		return nil, "", now, err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, header, a := b.caller.do(req)
	if a.last != nil {
		return nil, "", now, b.caller.fail(a)
	}
	var page struct {
		Objects    []listed `json:"objects"`
		HasNext    bool     `json:"hasNext"`
		NextCursor string   `json:"nextCursor"`
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return nil, "", now, storage.Errorf(storage.CodeInternal, "the listing of the bucket is not what it should be: %w", err)
	}
	if now, err = http.ParseTime(header.Get("Date")); err != nil {
		now = time.Now()
	}
	if !page.HasNext {
		page.NextCursor = ""
	}
	return page.Objects, page.NextCursor, now, nil
}

// openObject asks for the bytes from offset to end, which is not among them, of an
// object of size bytes.
func (c *caller) openObject(ctx context.Context, object string, offset, end, size int64) (*http.Response, *failure) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+objectPath("/authenticated", object), nil)
	if err != nil {
		return nil, &failure{code: storage.CodeInternal, text: "the request cannot be made", cause: err}
	}
	c.sign(req.Header)
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, end-1))
	resp, err := c.streaming.Do(req)
	f := c.judge(ctx, resp, err, true)
	if f == nil {
		want := fmt.Sprintf("bytes %d-%d/%d", offset, end-1, size)
		if got := resp.Header.Get("Content-Range"); resp.StatusCode != http.StatusPartialContent || got != want {
			f = &failure{code: storage.CodeInternal, retry: true, text: fmt.Sprintf("the project answered a request for %q with %s, %q", want, resp.Status, got)}
		}
	}
	if f != nil && resp != nil {
		_ = resp.Body.Close()
	}
	return resp, f
}
