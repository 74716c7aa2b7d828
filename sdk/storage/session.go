package storage

import (
	"encoding/base64"
	"encoding/json"
	"sync"
)

// Version orders the writes of a store that keeps several copies: a hybrid
// logical clock, 48 bits of milliseconds since 1970 above 16 bits of counter.
type Version uint64

// MaxSessionKeys is how many keys a session remembers one by one. Beyond it
// the session asks for its newest version of every key.
const MaxSessionKeys = 512

// Session remembers what a caller has seen, so that it never goes back in
// time: key → least version. Give the same Session to every operation that
// belongs together, or move its Token to another process. A backend that keeps
// a single copy needs nothing of it. The zero value is a new session; it is
// safe for concurrent use.
type Session struct {
	mu    sync.Mutex
	floor Version
	keys  map[string]Version
}

type sessionToken struct {
	Floor Version            `json:"f,omitempty"`
	Keys  map[string]Version `json:"k,omitempty"`
}

// Observe records that the caller has seen version v of key.
func (s *Session) Observe(key string, v Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observe(key, v)
}

func (s *Session) observe(key string, v Version) {
	if v <= s.floor || v <= s.keys[key] {
		return
	}
	if s.keys == nil {
		s.keys = make(map[string]Version)
	}
	s.keys[key] = v
	if len(s.keys) > MaxSessionKeys {
		for _, v := range s.keys {
			s.floor = max(s.floor, v)
		}
		clear(s.keys)
	}
}

// Least returns the version of key the caller must see at least.
func (s *Session) Least(key string) Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.floor, s.keys[key])
}

// Token encodes the session for another process: URL-safe, opaque, "" for a
// session that has seen nothing. At most [MaxTokenBytes] long: past that it
// forgets keys one by one in favour of its newest version.
func (s *Session) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.floor == 0 && len(s.keys) == 0 {
		return ""
	}
	token := encodeSession(sessionToken{s.floor, s.keys})
	if len(token) <= MaxTokenBytes {
		return token
	}
	floor := s.floor
	for _, v := range s.keys {
		floor = max(floor, v)
	}
	return encodeSession(sessionToken{Floor: floor})
}

func encodeSession(t sessionToken) string {
	raw, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings and integers always encode
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Merge adds what token remembers. A token that is not one is InvalidArgument
// and changes nothing.
func (s *Session) Merge(token string) error {
	if token == "" {
		return nil
	}
	var t sessionToken
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(raw, &t)
	}
	if err != nil || len(token) > MaxTokenBytes {
		return Errorf(CodeInvalidArgument, "the session token is not one")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.floor = max(s.floor, t.Floor)
	for key, v := range t.Keys {
		s.observe(key, v)
	}
	return nil
}
