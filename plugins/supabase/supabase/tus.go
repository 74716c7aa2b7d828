package supabase

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// chunkBytes is the size of the parts of a resumable upload, which Storage wants
// to be exactly this, and up to which a value is uploaded in one piece.
// https://supabase.com/docs/guides/storage/uploads/resumable-uploads
const chunkBytes = 6 << 20

// maxUploadsAnew is how often an upload that the project has forgotten begins
// again.
const maxUploadsAnew = 2

// errUploadGone says that the project does not know the upload (any more).
var errUploadGone = errors.New("the project does not know the upload")

// uploadResumably uploads a value by the TUS protocol, version 1.0.0: in parts,
// each acknowledged, going on after a broken connection with what is missing.
// https://tus.io/protocols/resumable-upload
func (b *bucket) uploadResumably(ctx context.Context, object string, s *spool) error {
	for anew := 0; ; anew++ {
		u := &tusUpload{bucket: b, object: object, spool: s}
		err := u.run(ctx)
		if errors.Is(err, errUploadGone) {
			// A finished upload is forgotten, too.
			if size, sizeErr := b.size(ctx, object); sizeErr == nil && size == s.size {
				return nil
			}
			if anew < maxUploadsAnew {
				continue
			}
			return storage.Errorf(storage.CodeUnavailable, "the project forgot an upload at byte %d of %d, %d times", u.offset, s.size, anew+1)
		}
		return err
	}
}

// tusUpload is an upload under way.
type tusUpload struct {
	bucket *bucket
	object string
	spool  *spool
	url    string // path of the upload
	offset int64  // how much the project has
}

func (u *tusUpload) run(ctx context.Context) error {
	if err := u.create(ctx); err != nil {
		return err
	}
	for failures := 0; u.offset < u.spool.size; {
		before := u.offset
		f := u.patch(ctx)
		if f == nil {
			failures = 0
			continue
		}
		if err := u.bucket.caller.pause(ctx, f, failures); err != nil {
			return err
		}
		if err := u.resume(ctx); err != nil {
			return err
		}
		if failures++; u.offset > before {
			failures = 0
		}
	}
	return nil
}

// create announces the upload. One whose answer is lost is left to the project,
// which forgets it after a day.
func (u *tusUpload) create(ctx context.Context) error {
	c := u.bucket.caller
	req, err := c.request(ctx, http.MethodPost, "/storage/v1/upload/resumable", nil)
	if err != nil {
		return err
	}
	u.sign(req.Header)
	bucket, name := splitObject(u.object)
	req.Header.Set("Upload-Length", strconv.FormatInt(u.spool.size, 10))
	req.Header.Set("Upload-Metadata", tusMetadata("bucketName", bucket, "objectName", name,
		"contentType", "application/octet-stream", "cacheControl", "3600"))
	_, header, a := c.do(req)
	if a.last != nil {
		return c.fail(a)
	}
	// The scheme and host of Location may be those behind a proxy.
	id := path.Base(header.Get("Location"))
	if id == "." || id == "/" {
		return storage.Errorf(storage.CodeInternal, "the project does not say where the upload goes")
	}
	u.url = "/storage/v1/upload/resumable/" + id
	return nil
}

func tusMetadata(pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(out, ",")
}

func (u *tusUpload) sign(h http.Header) {
	h.Set("Tus-Resumable", "1.0.0")
	h.Set("X-Upsert", "false")
}

// patch sends the next part. What the project has of it is known only after an
// answer.
func (u *tusUpload) patch(ctx context.Context) *failure {
	c := u.bucket.caller
	length := min(u.spool.size-u.offset, chunkBytes)
	ctx, dog := guard(ctx, c.timeout)
	defer dog.end()
	body := dog.watched(io.NopCloser(u.spool.section(u.offset, length)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, c.base+u.url, body)
	if err != nil {
		return &failure{code: storage.CodeInternal, text: "the request cannot be made", cause: err}
	}
	c.sign(req.Header)
	u.sign(req.Header)
	req.ContentLength = length
	req.Header.Set("Content-Type", "application/offset+octet-stream")
	req.Header.Set("Upload-Offset", strconv.FormatInt(u.offset, 10))
	resp, err := c.streaming.Do(req)
	if resp != nil {
		defer resp.Body.Close()
	}
	if f := c.judge(ctx, resp, err, true); f != nil {
		if f.status == http.StatusConflict || f.status == http.StatusNotFound || f.status == http.StatusGone || f.status == http.StatusLocked || f.status >= 500 {
			f.retry = true // after a look at how much there is
		}
		return f
	}
	offset, err := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset <= u.offset || offset > u.spool.size {
		return &failure{code: storage.CodeInternal, retry: true, text: fmt.Sprintf("the project answered an upload with the offset %q", resp.Header.Get("Upload-Offset"))}
	}
	u.offset = offset
	return nil
}

// resume asks how much the project has.
func (u *tusUpload) resume(ctx context.Context) error {
	c := u.bucket.caller
	req, err := c.request(ctx, http.MethodHead, u.url, nil)
	if err != nil {
		return err
	}
	u.sign(req.Header)
	_, header, a := c.do(req)
	switch {
	case a.last != nil && (a.last.status == http.StatusNotFound || a.last.status == http.StatusGone || a.last.status == http.StatusBadRequest):
		return errUploadGone
	case a.last != nil:
		return c.fail(a)
	}
	offset, err := strconv.ParseInt(header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 || offset > u.spool.size {
		return storage.Errorf(storage.CodeInternal, "the project has the offset %q of an upload of %d bytes", header.Get("Upload-Offset"), u.spool.size)
	}
	u.offset = offset
	return nil
}
