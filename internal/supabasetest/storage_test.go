package supabasetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// withBucket is a project with the bucket "b", whose objects have at most 1000
// bytes.
func withBucket(t *testing.T, options ProjectOptions) (*Project, *http.Client) {
	t.Helper()
	p := Open(t, shared, options)
	c := client(t)
	body := `{"name": "b", "file_size_limit": 1000}`
	if options.FileSizeLimit > 0 {
		body = `{"name": "b"}`
	}
	want(t, must(t, c, request(t, p, p.ServiceKey, "POST", "/storage/v1/bucket", body)), 200, `{"name":"b"}`)
	return p, c
}

func TestStorageAnswersAsTheRealOneDoes(t *testing.T) {
	t.Parallel()
	p, c := withBucket(t, ProjectOptions{})
	const missing = `{"statusCode":"404","code":"NoSuchKey","error":"not_found","message":"Object not found"}`
	const noBucket = `{"statusCode":"404","code":"NoSuchBucket","error":"Bucket not found","message":"Bucket not found"}`
	const refused = `"error":"Unauthorized","message":"new row violates row-level security policy"`
	for _, test := range []struct {
		name, key, method, path, body string
		header                        []string
		status                        int
		part                          string
	}{
		{"bucket again", p.ServiceKey, "POST", "/bucket", `{"name": "b"}`, nil, 400, `{"statusCode":"409","code":"BucketAlreadyExists","error":"Duplicate"`},
		{"bucket of anon", p.AnonKey, "POST", "/bucket", `{"name": "c"}`, nil, 400, refused},
		{"bucket's name", p.ServiceKey, "POST", "/bucket", `{"name": "a/b"}`, nil, 400, `"message":"Bucket name invalid"`},
		{"bucket larger than the project allows", p.ServiceKey, "POST", "/bucket", `{"name": "c", "file_size_limit": "1GB"}`, nil, 400, `{"statusCode":"413"`},
		{"bucket", p.ServiceKey, "GET", "/bucket/b", ``, nil, 200, `"public":false,"type":"STANDARD","file_size_limit":1000`},
		{"bucket for anon", p.AnonKey, "GET", "/bucket/b", ``, nil, 400, noBucket},
		{"buckets", p.ServiceKey, "GET", "/bucket", ``, nil, 200, `[{"id":"b"`},
		{"buckets for anon", p.AnonKey, "GET", "/bucket", ``, nil, 200, `[]`},

		{"upload", p.SecretKey, "POST", "/object/b/dir/a.txt", `0123456789`, []string{"Content-Type: text/plain"}, 200, `{"Key":"b/dir/a.txt","Id":"`},
		{"upload again", p.SecretKey, "POST", "/object/b/dir/a.txt", `x`, nil, 400, `{"statusCode":"409","code":"KeyAlreadyExists","error":"Duplicate","message":"The resource already exists"}`},
		{"upload of anon", p.AnonKey, "POST", "/object/b/x", `x`, nil, 400, refused},
		{"upload of the publishable key", p.PublishableKey, "POST", "/object/b/x", `x`, nil, 400, refused},
		{"download from no bucket", p.SecretKey, "GET", "/object/authenticated/none/x", ``, nil, 400, noBucket},
		{"upload into no bucket", p.SecretKey, "POST", "/object/none/x", `x`, nil, 400, noBucket},
		{"upload of a wrong name", p.SecretKey, "POST", "/object/b/%C3%A4", `x`, nil, 400, `"error":"InvalidKey","message":"Invalid key: ä"`},
		{"upload of a long name", p.SecretKey, "POST", "/object/b/" + strings.Repeat("n", 1100), `x`, nil, 500, `"statusCode":"500"`},
		{"upload that is too large", p.SecretKey, "POST", "/object/b/x", strings.Repeat("x", 1001), nil, 400, `{"statusCode":"413","code":"EntityTooLarge","error":"Payload too large"`},

		{"download", p.ServiceKey, "GET", "/object/b/dir/a.txt", ``, nil, 200, `0123456789`},
		{"download for those who are known", p.ServiceKey, "GET", "/object/authenticated/b/dir/a.txt", ``, nil, 200, `0123456789`},
		{"download of a range", p.ServiceKey, "GET", "/object/b/dir/a.txt", ``, []string{"Range: bytes=2-4"}, 206, `234`},
		{"download of the rest", p.ServiceKey, "GET", "/object/b/dir/a.txt", ``, []string{"Range: bytes=7-"}, 206, `789`},
		{"download of the end", p.ServiceKey, "GET", "/object/b/dir/a.txt", ``, []string{"Range: bytes=-2"}, 206, `89`},
		{"download beyond the end", p.ServiceKey, "GET", "/object/b/dir/a.txt", ``, []string{"Range: bytes=10-"}, 400, `"statusCode":"416"`},
		{"download of nothing", p.ServiceKey, "GET", "/object/b/none", ``, nil, 400, missing},
		{"download by anon", p.AnonKey, "GET", "/object/b/dir/a.txt", ``, nil, 400, missing},
		{"head", p.ServiceKey, "HEAD", "/object/b/dir/a.txt", ``, nil, 200, ``},
		{"head of nothing", p.ServiceKey, "HEAD", "/object/b/none", ``, nil, 400, ``},
		{"info", p.ServiceKey, "GET", "/object/info/b/dir/a.txt", ``, nil, 200, `"size":10,"content_type":"text/plain","cache_control":"no-cache","etag":"\"781e5e245d69b566979b86e28d23f2c7\""`},
		{"info of nothing", p.ServiceKey, "GET", "/object/info/b/none", ``, nil, 400, missing},

		{"put", p.ServiceKey, "PUT", "/object/b/dir/a.txt", `new`, nil, 200, `"Key":"b/dir/a.txt"`},
		{"upsert", p.ServiceKey, "POST", "/object/b/dir/a.txt", `newer`, []string{"X-Upsert: true"}, 200, `"Key":"b/dir/a.txt"`},
		{"download of the newer", p.ServiceKey, "GET", "/object/b/dir/a.txt", ``, nil, 200, `newer`},

		{"bucket that is not empty", p.ServiceKey, "DELETE", "/bucket/b", ``, nil, 400, `{"statusCode":"409"`},
		{"delete by anon", p.AnonKey, "DELETE", "/object/b/dir/a.txt", ``, nil, 400, missing},
		{"delete", p.ServiceKey, "DELETE", "/object/b/dir/a.txt", ``, nil, 200, `{"message":"Successfully deleted"}`},
		{"delete again", p.ServiceKey, "DELETE", "/object/b/dir/a.txt", ``, nil, 400, missing},
		{"delete many of none", p.ServiceKey, "DELETE", "/object/b", `{"prefixes": ["x"]}`, nil, 200, `[]`},
		{"delete too many", p.ServiceKey, "DELETE", "/object/b", `{"prefixes": ["x"` + strings.Repeat(`,"x"`, 1000) + `]}`, nil, 400, `must NOT have more than 1000 items`},
		{"bucket that is empty", p.ServiceKey, "DELETE", "/bucket/b", ``, nil, 200, `Successfully deleted`},
		{"no token", "", "GET", "/bucket", ``, nil, 400, `headers must have required property 'authorization'`},
		{"a wrong token", "", "GET", "/bucket", ``, []string{"Authorization: Bearer x"}, 400, `{"statusCode":"403","code":"AccessDenied","error":"Unauthorized","message":"Invalid Compact JWS"}`},
		{"nothing there", p.ServiceKey, "GET", "/nothing", ``, nil, 404, `Route GET:/storage/v1/nothing not found`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := must(t, c, request(t, p, test.key, test.method, "/storage/v1"+test.path, test.body, test.header...))
			want(t, got, test.status, test.part)
			if test.status == 206 && !strings.HasSuffix(got.header.Get("Content-Range"), "/10") {
				t.Errorf("headers %v", got.header)
			}
			if test.name == "head" && (got.header.Get("Content-Length") != "10" || got.header.Get("Etag") == "") {
				t.Errorf("headers %v", got.header)
			}
		})
	}
}

func TestStorageTakesForms(t *testing.T) {
	t.Parallel()
	p, c := withBucket(t, ProjectOptions{})
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("cacheControl", "60"); err != nil {
		t.Fatal(err)
	}
	file, err := form.CreateFormFile("", "any")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, "in a form"); err != nil {
		t.Fatal(err)
	}
	form.Close()
	want(t, must(t, c, request(t, p, p.ServiceKey, "POST", "/storage/v1/object/b/f", body.String(),
		"Content-Type: "+form.FormDataContentType())), 200, "b/f")
	got := must(t, c, request(t, p, p.ServiceKey, "GET", "/storage/v1/object/b/f", ""))
	want(t, got, 200, "in a form")
	if got.header.Get("Cache-Control") != "max-age=60" {
		t.Errorf("headers %v", got.header)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	p, c := withBucket(t, ProjectOptions{})
	for _, name := range []string{"a", "b/1", "b/2", "b/c/3", "d"} {
		want(t, must(t, c, request(t, p, p.ServiceKey, "POST", "/storage/v1/object/b/"+name, "x")), 200, "")
	}
	type entry struct {
		Name string
		ID   *string
	}
	type list struct {
		HasNext          bool
		NextCursor       string
		Objects, Folders []entry
	}
	names := func(key, path, body string) (string, list) {
		t.Helper()
		got := must(t, c, request(t, p, key, "POST", "/storage/v1/object/"+path, body))
		if got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		var v2 list
		var v1 []entry
		if strings.HasPrefix(path, "list-v2") {
			if err := json.Unmarshal([]byte(got.body), &v2); err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, entry := range append(v2.Folders, v2.Objects...) {
				text += entry.Name + " "
			}
			return text, v2
		}
		if err := json.Unmarshal([]byte(got.body), &v1); err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, entry := range v1 {
			if entry.ID == nil {
				text += entry.Name + "(folder) "
			} else {
				text += entry.Name + " "
			}
		}
		return text, v2
	}
	for _, test := range []struct{ key, path, body, want string }{
		{p.ServiceKey, "list/b", `{"prefix": ""}`, "b(folder) a d "},
		{p.ServiceKey, "list/b", `{"prefix": "b"}`, "c(folder) 1 2 "},
		{p.ServiceKey, "list/b", `{"prefix": "", "limit": 1, "offset": 1}`, "a "},
		{p.ServiceKey, "list/b", `{"prefix": "", "sortBy": {"column": "name", "order": "desc"}}`, "b(folder) d a "},
		{p.ServiceKey, "list/b", `{"prefix": "", "search": "D"}`, "d "},
		{p.AnonKey, "list/b", `{"prefix": ""}`, ""},
		{p.ServiceKey, "list-v2/b", `{}`, "a b/1 b/2 b/c/3 d "},
		{p.ServiceKey, "list-v2/b", `{"prefix": "b/"}`, "b/1 b/2 b/c/3 "},
		{p.ServiceKey, "list-v2/b", `{"with_delimiter": true}`, "b/ a d "},
		{p.ServiceKey, "list-v2/b", `{"prefix": "b/", "with_delimiter": true}`, "b/c/ b/1 b/2 "},
		{p.ServiceKey, "list-v2/b", `{"sortBy": {"column": "created_at", "order": "desc"}}`, "d b/c/3 b/2 b/1 a "},
		{p.AnonKey, "list-v2/b", `{}`, ""},
	} {
		if got, _ := names(test.key, test.path, test.body); got != test.want {
			t.Errorf("%s %s: %q, want %q", test.path, test.body, got, test.want)
		}
	}
	for _, order := range []string{`{"column": "name", "order": "asc"}`, `{"column": "updated_at", "order": "desc"}`} {
		seen, cursor := 0, ""
		for page := 0; ; page++ {
			_, got := names(p.ServiceKey, "list-v2/b", fmt.Sprintf(`{"limit": 2, "cursor": %q, "sortBy": %s}`, cursor, order))
			seen += len(got.Objects)
			if cursor = got.NextCursor; got.HasNext != (cursor != "") || page > 3 {
				t.Fatalf("page %d: %+v", page, got)
			}
			if !got.HasNext {
				break
			}
		}
		if seen != 5 {
			t.Errorf("%d objects in all pages, want 5", seen)
		}
	}
	removed := must(t, c, request(t, p, p.ServiceKey, "DELETE", "/storage/v1/object/b", `{"prefixes": ["a", "none", "d"]}`))
	if strings.Count(removed.body, `"bucket_id":"b"`) != 2 {
		t.Errorf("removed %s", removed.body)
	}
	if got, _ := names(p.ServiceKey, "list-v2/b", `{}`); got != "b/1 b/2 b/c/3 " {
		t.Errorf("after the removal: %s", got)
	}
}

func TestConcurrentUploadsWithoutUpsertMayAllSucceed(t *testing.T) {
	t.Parallel()
	p, c := withBucket(t, ProjectOptions{})
	// All have passed the check for an older object before one has its body.
	const uploads = 4
	var bodies []*io.PipeWriter
	var group sync.WaitGroup
	statuses := make([]int, uploads)
	for i := range uploads {
		reader, writer := io.Pipe()
		bodies = append(bodies, writer)
		r := request(t, p, p.ServiceKey, "POST", "/storage/v1/object/b/same", "")
		r.Body, r.ContentLength = reader, -1
		group.Go(func() {
			if got, err := do(c, r); err == nil {
				statuses[i] = got.status
			}
		})
	}
	for storedFiles(t, p) < uploads {
		if t.Context().Err() != nil {
			t.Fatal("not all arrived")
		}
		runtime.Gosched()
	}
	for _, body := range bodies {
		body.Close()
	}
	group.Wait()
	if !slices.Equal(statuses, []int{200, 200, 200, 200}) {
		t.Errorf("statuses %v", statuses)
	}
	if got := storedFiles(t, p); got != 1 {
		t.Errorf("%d files for one object", got)
	}
	want(t, must(t, c, request(t, p, p.ServiceKey, "POST", "/storage/v1/object/b/same", "")), 400, "Duplicate")
}

func TestABrokenUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	p, c := withBucket(t, ProjectOptions{})
	broken := p.Inject(Fault{Match: "POST /object/b/x", Kind: CutRequest, Bytes: 5})
	if got, err := do(c, request(t, p, p.ServiceKey, "POST", "/storage/v1/object/b/x", "0123456789")); err == nil {
		t.Errorf("got %v", got)
	}
	if err := broken.WaitDone(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	want(t, must(t, c, request(t, p, p.ServiceKey, "GET", "/storage/v1/object/b/x", "")), 400, "not_found")
	large := request(t, p, p.ServiceKey, "POST", "/storage/v1/object/b/x", strings.Repeat("x", 1001))
	large.ContentLength = -1 // its length is seen at the end
	want(t, must(t, c, large), 400, `"statusCode":"413"`)
	if files := storedFiles(t, p); files != 0 {
		t.Errorf("%d files left", files)
	}
}

func TestStorageNeedsItsDatabase(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t)
	p := Open(t, cluster, ProjectOptions{})
	c := client(t)
	want(t, must(t, c, request(t, p, p.ServiceKey, "POST", "/storage/v1/bucket", `{"name": "b"}`)), 200, "")
	want(t, must(t, c, request(t, p, p.ServiceKey, "POST", "/storage/v1/object/b/x", "kept")), 200, "")
	cluster.Kill()
	read := func() reply { return must(t, c, request(t, p, p.ServiceKey, "GET", "/storage/v1/object/b/x", "")) }
	want(t, read(), 544, `"statusCode":"544"`)
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := read()
	for got.status == 544 {
		got = read()
	}
	want(t, got, 200, "kept")
}
