package supabasetest

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

func storedFiles(t *testing.T, p *Project) int {
	t.Helper()
	files, err := os.ReadDir(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// tusClient speaks TUS by hand.
type tusClient struct {
	t *testing.T
	p *Project
	c *http.Client
}

func (c tusClient) create(name, length string, header ...string) reply {
	c.t.Helper()
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	header = append([]string{
		"Tus-Resumable: 1.0.0", "Upload-Length: " + length,
		"Upload-Metadata: bucketName " + encode("b") + ",objectName " + encode(name) + ",contentType " + encode("text/plain"),
	}, header...)
	return must(c.t, c.c, request(c.t, c.p, c.p.ServiceKey, "POST", "/storage/v1/upload/resumable", "", header...))
}

// begin returns the path of a new upload.
func (c tusClient) begin(name, length string) string {
	c.t.Helper()
	got := c.create(name, length)
	if got.status != http.StatusCreated {
		c.t.Fatalf("%d %s", got.status, got.body)
	}
	location, err := url.Parse(got.header.Get("Location"))
	if err != nil {
		c.t.Fatal(err)
	}
	return location.Path
}

func (c tusClient) patch(path, offset, body string) *http.Request {
	return request(c.t, c.p, c.p.ServiceKey, "PATCH", path, body,
		"Tus-Resumable: 1.0.0", "Upload-Offset: "+offset, "Content-Type: application/offset+octet-stream")
}

func (c tusClient) head(path string) reply {
	c.t.Helper()
	return must(c.t, c.c, request(c.t, c.p, c.p.ServiceKey, "HEAD", path, "", "Tus-Resumable: 1.0.0"))
}

func (c tusClient) read(name string) reply {
	c.t.Helper()
	return must(c.t, c.c, request(c.t, c.p, c.p.ServiceKey, "GET", "/storage/v1/object/b/"+name, ""))
}

func openTUS(t *testing.T, options ResumableOptions) tusClient {
	t.Helper()
	p, c := withBucket(t, ProjectOptions{Resumable: options})
	return tusClient{t, p, c}
}

func TestResumableUploadGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		granularity  int64
		offset, rest string
	}{{0, "7", "789"}, {4, "4", "456789"}} {
		c := openTUS(t, ResumableOptions{Granularity: test.granularity})
		path := c.begin("f", "10")
		broken := c.p.Inject(Fault{Match: "PATCH /upload/resumable", Kind: CutRequest, Bytes: 7})
		if got, err := do(c.c, c.patch(path, "0", "0123456789")); err == nil {
			t.Errorf("got %v", got)
		}
		if err := broken.WaitDone(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		got := c.head(path)
		if got.header.Get("Upload-Offset") != test.offset || got.header.Get("Upload-Length") != "10" {
			t.Errorf("after the break: %v", got.header)
		}
		want(t, c.read("f"), 400, "not_found")
		if got := c.p.Uploads(); got != 1 {
			t.Errorf("%d uploads", got)
		}
		want(t, must(t, c.c, c.patch(path, "1", "x")), 409, "Upload-Offset conflict")
		want(t, must(t, c.c, c.patch(path, test.offset, test.rest)), 204, "")
		got = c.read("f")
		want(t, got, 200, "0123456789")
		if got.header.Get("Content-Type") != "text/plain" {
			t.Errorf("headers %v", got.header)
		}
		if got := c.p.Uploads(); got != 0 {
			t.Errorf("%d uploads after the last byte", got)
		}
	}
}

func TestAnObjectAppearsWithItsLastByte(t *testing.T) {
	t.Parallel()
	c := openTUS(t, ResumableOptions{})
	path := c.begin("f", "4")
	want(t, must(t, c.c, c.patch(path, "0", "ab")), 204, "")
	want(t, c.read("f"), 400, "not_found")
	want(t, must(t, c.c, c.patch(path, "2", "cd")), 204, "")
	want(t, c.read("f"), 200, "abcd")
}

func TestALostAnswerToTheLastChunk(t *testing.T) {
	t.Parallel()
	c := openTUS(t, ResumableOptions{})
	path := c.begin("f", "3")
	c.p.Inject(Fault{Match: "PATCH /upload/resumable", Kind: AnswerLost})
	if got, err := do(c.c, c.patch(path, "0", "abc")); err == nil {
		t.Errorf("got %v", got)
	}
	got := c.head(path)
	want(t, got, 200, "")
	if got.header.Get("Upload-Offset") != "3" {
		t.Errorf("headers %v", got.header)
	}
	want(t, c.read("f"), 200, "abc")
}

func TestTUSAnswers(t *testing.T) {
	t.Parallel()
	c := openTUS(t, ResumableOptions{StrictChunks: true})
	tus := "Tus-Resumable: 1.0.0"
	want(t, c.create("f", "1001"), 413, "Maximum size exceeded")
	want(t, c.create("ä", "1"), 400, "Invalid key")
	want(t, c.create("f", "x"), 400, "Upload-Length")
	path := c.begin("f", "10")
	want(t, must(t, c.c, c.patch(path, "0", "five!")), 400, "6 MiB")
	want(t, must(t, c.c, c.patch(path, "0", "more than ten bytes")), 413, "size exceeded")
	want(t, must(t, c.c, c.patch(path+"x", "0", "five!")), 404, "not found")
	want(t, must(t, c.c, request(t, c.p, c.p.ServiceKey, "PATCH", path, "x", tus)), 403, "Upload-Offset header required")
	want(t, must(t, c.c, request(t, c.p, c.p.AnonKey, "PATCH", path, "x", tus)), 403, "row-level security")
	want(t, must(t, c.c, request(t, c.p, c.p.ServiceKey, "PATCH", path, "x")), 412, "")
	want(t, must(t, c.c, request(t, c.p, "", "OPTIONS", "/storage/v1/upload/resumable", "")), 204, "")

	got := c.create("whole", "3", "Content-Type: application/offset+octet-stream")
	want(t, got, 400, "") // it announces three bytes and brings none

	want(t, must(t, c.c, request(t, c.p, c.p.ServiceKey, "DELETE", path, "", tus)), 204, "")
	want(t, c.head(path), 404, "")
	expired := c.begin("g", "10")
	c.p.ExpireUploads()
	want(t, c.head(expired), 410, "")
	want(t, must(t, c.c, c.patch(expired, "0", "0123456789")), 410, "no longer exists")

	done := c.begin("h", "2")
	want(t, must(t, c.c, c.patch(done, "0", "ab")), 204, "")
	want(t, must(t, c.c, request(t, c.p, c.p.ServiceKey, "DELETE", done, "", tus)), 400, "completed")
	want(t, c.create("h", "2"), 409, "The resource already exists")
	want(t, c.create("h", "2", "X-Upsert: true"), 201, "")
	empty := c.create("empty", "0")
	want(t, empty, 201, "")
	want(t, c.read("empty"), 200, "")
}

func TestWrongLocation(t *testing.T) {
	t.Parallel()
	c := openTUS(t, ResumableOptions{WrongLocation: true})
	got := c.create("f", "3").header.Get("Location")
	if !strings.HasPrefix(got, "https://storage.invalid/storage/v1/upload/resumable/") {
		t.Errorf("Location: %s", got)
	}
}

// unfinished starts a PATCH whose body waits for the caller.
func (c tusClient) unfinished(path string) (body *io.PipeWriter, ended <-chan error) {
	reader, writer := io.Pipe()
	r := c.patch(path, "0", "")
	r.Body, r.ContentLength = reader, 10
	result := make(chan error, 1)
	go func() {
		got, err := do(c.c, r)
		if err == nil && got.status != http.StatusNoContent {
			err = errors.New(got.body)
		}
		result <- err
	}()
	return writer, result
}

func TestTwoRequestsOnOneUpload(t *testing.T) {
	t.Parallel()
	t.Run("the newer one stops the older one", func(t *testing.T) {
		t.Parallel()
		c := openTUS(t, ResumableOptions{LockTimeout: time.Minute})
		path := c.begin("f", "10")
		body, ended := c.unfinished(path)
		defer body.Close()
		if _, err := io.WriteString(body, "01234"); err != nil {
			t.Fatal(err)
		}
		waitForLock(t, c, path)
		want(t, c.head(path), 200, "")
		if err := <-ended; err == nil {
			t.Error("the older one succeeded")
		}
	})
	t.Run("and is refused if that does not help", func(t *testing.T) {
		t.Parallel()
		c := openTUS(t, ResumableOptions{LockTimeout: time.Millisecond})
		path := c.begin("f", "10")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		u := c.p.storage.uploads[path[strings.LastIndex(path, "/")+1:]]
		if err := u.take(ctx, time.Minute, nil); err != nil {
			t.Fatal(err)
		}
		defer u.release()
		want(t, must(t, c.c, c.patch(path, "0", "0123456789")), 423, "The resource is locked")
	})
}

// waitForLock waits until a request has the lock of an upload.
func waitForLock(t *testing.T, c tusClient, path string) {
	t.Helper()
	u, err := c.p.storage.lookup(path[strings.LastIndex(path, "/")+1:])
	if err != nil {
		t.Fatal(err)
	}
	for len(u.lock) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("nobody took the lock")
		}
	}
}
