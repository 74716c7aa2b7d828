package supabasetest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bucket is changed under storage.mu.
type bucket struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Owner     string    `json:"owner"`
	Public    bool      `json:"public"`
	Type      string    `json:"type"`
	Limit     *int64    `json:"file_size_limit"`
	MimeTypes []string  `json:"allowed_mime_types"`
	Created   timestamp `json:"created_at"`
	Updated   timestamp `json:"updated_at"`

	objects map[string]*object
}

// timestamp has milliseconds on the wire.
type timestamp time.Time

func (t timestamp) MarshalJSON() ([]byte, error) {
	return []byte(time.Time(t).UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

func (s *storage) serveBucket(w http.ResponseWriter, r storageRequest, id string) error {
	id, empty := strings.CutSuffix(id, "/empty")
	switch {
	case id == "" && r.Method == http.MethodPost:
		return s.createBucket(w, r)
	case id == "" && r.Method == http.MethodGet:
		writeJSON(w, r.Request, http.StatusOK, s.listBuckets(r.owner))
		return nil
	case id == "":
		return errNoRoute(r.Request)
	}
	answer, err := s.changeBucket(r, id, empty)
	if err != nil {
		return err
	}
	writeJSON(w, r.Request, http.StatusOK, answer)
	return nil
}

// message is the answer to what has no result.
type message struct {
	Message string `json:"message"`
}

// changeBucket returns what is answered about one bucket.
func (s *storage) changeBucket(r storageRequest, id string, empty bool) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[id]
	if b == nil || !r.owner {
		return nil, errNoSuchBucket()
	}
	switch {
	case r.Method == http.MethodGet:
		return *b, nil
	case empty && r.Method == http.MethodPost:
		for name := range b.objects {
			s.dropLocked(b, name)
		}
		return message{"Successfully emptied"}, nil
	case r.Method == http.MethodDelete && len(b.objects) > 0:
		return nil, errBucketNotEmpty()
	case r.Method == http.MethodDelete:
		delete(s.buckets, id)
		return message{"Successfully deleted"}, nil
	}
	return nil, errNoRoute(r.Request)
}

func (s *storage) listBuckets(owner bool) []bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []bucket{}
	if owner {
		for _, id := range slices.Sorted(maps.Keys(s.buckets)) {
			list = append(list, *s.buckets[id])
		}
	}
	return list
}

func (s *storage) createBucket(w http.ResponseWriter, r storageRequest) error {
	var body struct {
		ID        string          `json:"id"`
		Name      string          `json:"name"`
		Public    bool            `json:"public"`
		Limit     json.RawMessage `json:"file_size_limit"`
		MimeTypes []string        `json:"allowed_mime_types"`
	}
	if err := readBody(r, &body); err != nil {
		return err
	}
	if body.Name == "" {
		return errInvalidRequest("body must have required property 'name'")
	}
	if body.ID == "" {
		body.ID = body.Name
	}
	if !validBucketName(body.ID) {
		return errInvalidBucketName()
	}
	limit, err := parseLimit(body.Limit)
	if err != nil {
		return err
	}
	if limit != nil && *limit > s.limit {
		return errTooLarge()
	}
	if !r.owner {
		return errRowSecurity()
	}
	if !s.addBucket(&bucket{ID: body.ID, Name: body.Name, Public: body.Public, Limit: limit, MimeTypes: body.MimeTypes}) {
		return errDuplicate("BucketAlreadyExists")
	}
	writeJSON(w, r.Request, http.StatusOK, struct {
		Name string `json:"name"`
	}{body.Name})
	return nil
}

// addBucket reports whether there was none of that ID.
func (s *storage) addBucket(b *bucket) bool {
	b.Type, b.objects = "STANDARD", map[string]*object{}
	b.Created = timestamp(time.Now())
	b.Updated = b.Created
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[b.ID] != nil {
		return false
	}
	s.buckets[b.ID] = b
	return true
}

// parseLimit reads a number of bytes, or "100MB" in decimal units.
func parseLimit(raw json.RawMessage) (*int64, error) {
	written := strings.ToLower(strings.Trim(string(raw), `"`))
	if written == "" || written == "null" {
		return nil, nil
	}
	factor := float64(1)
	if strings.HasPrefix(string(raw), `"`) {
		for _, unit := range []struct {
			suffix string
			factor float64
		}{{"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3}, {"b", 1}} {
			if number, found := strings.CutSuffix(written, unit.suffix); found {
				written, factor = number, unit.factor
				break
			}
		}
	}
	number, err := strconv.ParseFloat(written, 64)
	if err != nil || number < 0 {
		return nil, storageError{
			StatusCode: "400", Code: "InvalidRequest", Kind: "InvalidRequest",
			Message: "Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B",
		}
	}
	limit := int64(number * factor)
	return &limit, nil
}

// validName knows the characters that S3 takes.
func validName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !alphanumeric && !strings.ContainsRune("_/!-.*'() &$@=;:+,?", c)
	})
}

func validBucketName(name string) bool {
	return len(name) < 64 && validName(name) && !strings.Contains(name, "/")
}

// readBody reads a body of JSON.
func readBody(r storageRequest, into any) error {
	const limit = 1 << 20
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, limit)).Decode(into); err != nil {
		return errInvalidRequest("Body is not valid JSON but content-type is set to 'application/json'")
	}
	return nil
}
