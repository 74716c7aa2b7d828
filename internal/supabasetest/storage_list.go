package supabasetest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxPrefixes bounds what one request may remove.
const maxPrefixes = 1000

// maxKeys bounds a page of list-v2.
const maxKeys = 1000

// sortBy orders a list.
type sortBy struct {
	Column string `json:"column"`
	Order  string `json:"order"`
}

// compare orders by a column, and by name what has the same.
func (s sortBy) compare(a, b *object) int {
	difference := 0
	switch s.Column {
	case "created_at":
		difference = a.created.Compare(b.created)
	case "updated_at", "last_accessed_at":
		difference = a.updated.Compare(b.updated)
	}
	difference = cmp.Or(difference, strings.Compare(a.name, b.name))
	if strings.EqualFold(s.Order, "desc") {
		return -difference
	}
	return difference
}

// listed is an object in a list, or a folder, which has only a name.
type listed struct {
	Name         string          `json:"name"`
	ID           *string         `json:"id"`
	Updated      *timestamp      `json:"updated_at"`
	Created      *timestamp      `json:"created_at"`
	LastAccessed *timestamp      `json:"last_accessed_at"`
	Metadata     *objectMetadata `json:"metadata"`
}

func (o *object) listed(name string) listed {
	updated, created := timestamp(o.updated), timestamp(o.created)
	return listed{name, &o.id, &updated, &created, &updated, o.describe()}
}

// under returns the objects with a prefix that the request may see.
func (s *storage) under(r storageRequest, bucketID, prefix string) []*object {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucketID]
	if b == nil || !r.owner {
		return nil
	}
	var found []*object
	for name, o := range b.objects {
		if strings.HasPrefix(name, prefix) {
			found = append(found, o)
		}
	}
	return found
}

// list shows one folder: the folders in it first, then the objects.
func (s *storage) list(w http.ResponseWriter, r storageRequest, bucketID string) error {
	body := struct {
		Prefix *string `json:"prefix"`
		Limit  int     `json:"limit"`
		Offset int     `json:"offset"`
		Search string  `json:"search"`
		SortBy sortBy  `json:"sortBy"`
	}{Limit: 100}
	if err := readBody(r, &body); err != nil {
		return err
	}
	if body.Prefix == nil {
		return errInvalidRequest("body must have required property 'prefix'")
	}
	folder := *body.Prefix
	if folder != "" && !strings.HasSuffix(folder, "/") {
		folder += "/"
	}
	search := strings.ToLower(body.Search)
	folders := map[string]bool{}
	var objects []*object
	for _, o := range s.under(r, bucketID, folder) {
		name, _, deeper := strings.Cut(strings.TrimPrefix(o.name, folder), "/")
		switch {
		case !strings.HasPrefix(strings.ToLower(name), search):
		case deeper:
			folders[name] = true
		default:
			objects = append(objects, o)
		}
	}
	slices.SortFunc(objects, body.SortBy.compare)
	entries := []listed{}
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		entries = append(entries, listed{Name: name})
	}
	for _, o := range objects {
		entries = append(entries, o.listed(strings.TrimPrefix(o.name, folder)))
	}
	first := min(max(body.Offset, 0), len(entries))
	last := min(first+max(body.Limit, 0), len(entries))
	writeJSON(w, r.Request, http.StatusOK, entries[first:last])
	return nil
}

// entryV2 is an object or folder of list-v2, under its whole name.
type entryV2 struct {
	listed
	Key string `json:"key,omitempty"` // the last part, with a delimiter
}

// position is where a page of list-v2 ended. Clients must not look into it.
type position struct {
	Name string    `json:"n"`
	Time time.Time `json:"t"`
}

// listV2 shows what begins with a prefix, which need not be a folder.
func (s *storage) listV2(w http.ResponseWriter, r storageRequest, bucketID string) error {
	var body struct {
		Prefix    string `json:"prefix"`
		Limit     *int   `json:"limit"`
		Cursor    string `json:"cursor"`
		Delimiter bool   `json:"with_delimiter"`
		SortBy    sortBy `json:"sortBy"`
	}
	if err := readBody(r, &body); err != nil {
		return err
	}
	limit := maxKeys
	if body.Limit != nil {
		if *body.Limit < 1 {
			return errInvalidRequest("body/limit must be >= 1")
		}
		limit = min(*body.Limit, maxKeys)
	}
	after, err := decodePosition(body.Cursor)
	if err != nil {
		return err
	}
	entries := s.under(r, bucketID, body.Prefix)
	if body.Delimiter {
		entries = fold(entries, body.Prefix)
	}
	slices.SortFunc(entries, body.SortBy.compare)
	if after != nil {
		last := &object{name: after.Name, created: after.Time, updated: after.Time}
		entries = slices.DeleteFunc(entries, func(o *object) bool { return body.SortBy.compare(o, last) <= 0 })
	}
	answer := struct {
		HasNext bool      `json:"hasNext"`
		Next    string    `json:"nextCursor,omitempty"`
		Folders []entryV2 `json:"folders"`
		Objects []entryV2 `json:"objects"`
	}{Folders: []entryV2{}, Objects: []entryV2{}}
	if len(entries) > limit {
		entries = entries[:limit]
		answer.HasNext = true
		answer.Next = encodePosition(entries[limit-1], body.SortBy)
	}
	for _, o := range entries {
		entry := entryV2{listed: listed{Name: o.name}}
		if body.Delimiter {
			trimmed := strings.TrimSuffix(o.name, "/")
			entry.Key = trimmed[strings.LastIndex(trimmed, "/")+1:]
		}
		if o.id == "" {
			answer.Folders = append(answer.Folders, entry)
			continue
		}
		entry.listed = o.listed(o.name)
		answer.Objects = append(answer.Objects, entry)
	}
	writeJSON(w, r.Request, http.StatusOK, answer)
	return nil
}

// fold puts an object without id, which is a folder, in place of all that have a
// slash after the prefix.
func fold(objects []*object, prefix string) []*object {
	folders := map[string]bool{}
	var folded []*object
	for _, o := range objects {
		part, _, deeper := strings.Cut(strings.TrimPrefix(o.name, prefix), "/")
		folder := prefix + part + "/"
		switch {
		case !deeper:
			folded = append(folded, o)
		case !folders[folder]:
			folders[folder] = true
			folded = append(folded, &object{name: folder})
		}
	}
	return folded
}

func encodePosition(o *object, by sortBy) string {
	at := position{Name: o.name, Time: o.updated}
	if by.Column == "created_at" {
		at.Time = o.created
	}
	encoded, err := json.Marshal(at)
	if err != nil {
		return "" // a string and a time of this century
	}
	return base64.URLEncoding.EncodeToString(encoded)
}

func decodePosition(cursor string) (*position, error) {
	if cursor == "" {
		return nil, nil
	}
	var at position
	encoded, err := base64.URLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(encoded, &at)
	}
	if err != nil {
		return nil, storageError{StatusCode: "400", Code: "InvalidParameter", Kind: "InvalidParameter", Message: "Invalid Parameter cursor"}
	}
	return &at, nil
}

// removeMany tells which of the names existed.
func (s *storage) removeMany(w http.ResponseWriter, r storageRequest, bucketID string) error {
	var body struct {
		Prefixes []string `json:"prefixes"`
	}
	if err := readBody(r, &body); err != nil {
		return err
	}
	switch {
	case len(body.Prefixes) == 0:
		return errInvalidRequest("body/prefixes must NOT have fewer than 1 items")
	case len(body.Prefixes) > maxPrefixes:
		return errInvalidRequest(fmt.Sprintf("body/prefixes must NOT have more than %d items", maxPrefixes))
	}
	type removed struct {
		listed
		Bucket  string `json:"bucket_id"`
		Version string `json:"version"`
	}
	list := []removed{}
	for _, o := range s.drop(r, bucketID, body.Prefixes) {
		list = append(list, removed{o.listed(o.name), bucketID, o.version})
	}
	writeJSON(w, r.Request, http.StatusOK, list)
	return nil
}
