package storage_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestSessionRemembersTheHighestVersionOfEachKey(t *testing.T) {
	var s storage.Session
	if s.Token() != "" || s.Least("a") != 0 {
		t.Error("a new session has seen something")
	}
	s.Observe("a", 5)
	s.Observe("a", 3)
	s.Observe("b", 7)
	if s.Least("a") != 5 || s.Least("b") != 7 || s.Least("c") != 0 {
		t.Errorf("a %d, b %d, c %d", s.Least("a"), s.Least("b"), s.Least("c"))
	}
}

func TestSessionTravelsAsItsToken(t *testing.T) {
	var here, there storage.Session
	here.Observe("a", 1<<63)
	here.Observe("é\n<&\u2028", 7)
	there.Observe("a", 9)
	there.Observe("b", 9)
	if err := there.Merge(here.Token()); err != nil {
		t.Fatal(err)
	}
	if there.Least("a") != 1<<63 || there.Least("é\n<&\u2028") != 7 || there.Least("b") != 9 {
		t.Errorf("a %d, é %d, b %d", there.Least("a"), there.Least("é\n<&\u2028"), there.Least("b"))
	}
	if here.Least("b") != 0 {
		t.Error("merging changed the other session")
	}
}

func TestSessionForgetsKeysInFavourOfItsNewestVersion(t *testing.T) {
	t.Run("too many keys", func(t *testing.T) {
		var s storage.Session
		for i := range storage.MaxSessionKeys + 1 {
			s.Observe(fmt.Sprint(i), storage.Version(i+1))
		}
		if newest := storage.Version(storage.MaxSessionKeys + 1); s.Least("0") != newest || s.Least("never seen") != newest {
			t.Errorf("the least version is %d", s.Least("0"))
		}
	})
	t.Run("too long a token", func(t *testing.T) {
		var s, other storage.Session
		for i := range 200 {
			s.Observe(fmt.Sprint(i)+strings.Repeat("k", 1000), storage.Version(i+1))
		}
		token := s.Token()
		if len(token) > storage.MaxTokenBytes {
			t.Fatalf("the token has %d bytes", len(token))
		}
		if err := other.Merge(token); err != nil || other.Least("x") != 200 {
			t.Errorf("the least version is %d, %v", other.Least("x"), err)
		}
	})
}

func TestSessionMergeRefuses(t *testing.T) {
	raw := base64.RawURLEncoding.EncodeToString
	for name, token := range map[string]string{
		"no base64":        "!!",
		"no JSON":          raw([]byte("{")),
		"a negative":       raw([]byte(`{"f":-1}`)),
		"another type":     raw([]byte(`{"k":["a"]}`)),
		"something behind": raw([]byte(`{"f":1}{}`)),
		"too long":         raw([]byte(`{"k":{"` + strings.Repeat("k", storage.MaxTokenBytes) + `":1}}`)),
	} {
		t.Run(name, func(t *testing.T) {
			var s storage.Session
			wantCode(t, s.Merge(token), storage.CodeInvalidArgument)
			if s.Token() != "" {
				t.Error("the session was changed")
			}
		})
	}
}

func TestSessionIsSafeForConcurrentUse(t *testing.T) {
	var s storage.Session
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for v := range 200 {
				s.Observe(fmt.Sprint(i), storage.Version(v+1))
				if s.Least(fmt.Sprint(i)) < storage.Version(v+1) {
					t.Error("a version was forgotten")
				}
				if err := s.Merge(s.Token()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func FuzzSessionMerge(f *testing.F) {
	var s storage.Session
	s.Observe("a", 1)
	f.Add(s.Token(), "a", uint64(7))
	f.Add("", "é", uint64(0))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"f":9,"k":{"a":12}}`)), "b", uint64(10))
	f.Fuzz(func(t *testing.T, token, key string, version uint64) {
		if storage.ValidateKey(key) != nil {
			return
		}
		var s storage.Session
		s.Observe(key, storage.Version(version))
		before := s.Token()
		if err := s.Merge(token); err != nil {
			if wantCode(t, err, storage.CodeInvalidArgument); s.Token() != before {
				t.Fatal("a token that is none changed the session")
			}
			return
		}
		if s.Least(key) < storage.Version(version) {
			t.Fatal("merging forgot what was seen")
		}
		// A session that gets the token knows at least as much, and merging
		// the token again changes nothing.
		var other storage.Session
		if err := other.Merge(s.Token()); err != nil {
			t.Fatalf("its own token: %v", err)
		}
		for _, k := range []string{key, "a", "never seen"} {
			if other.Least(k) < s.Least(k) {
				t.Fatalf("%q: the token tells %d of %d", k, other.Least(k), s.Least(k))
			}
		}
		least := s.Least(key)
		if err := s.Merge(s.Token()); err != nil || s.Least(key) != least {
			t.Fatalf("merging again gave %d instead of %d, %v", s.Least(key), least, err)
		}
	})
}
