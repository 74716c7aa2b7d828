package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// story is a model of one key that several callers write, and what happens to it.
type story struct {
	m *model
	o *object
	n int
}

func newStory() *story {
	m := newModel(0, 1)
	return &story{m: m, o: m.objects[0]}
}

func (s *story) put(cond condition) *writing {
	s.n++
	return s.m.write(s.o, update{id: id{1, s.n}, size: 1}, cond)
}

func (s *story) delete() *writing {
	s.n++
	return s.m.write(s.o, update{id: id{1, s.n}, deletes: true}, condition{})
}

func (s *story) stored(etag string) *writing {
	w := s.put(condition{})
	w.acknowledged(etag, storage.Unknown)
	return w
}

func (s *story) read() *reading       { return s.m.read(s.o, "read", false) }
func (s *story) strongRead() *reading { return s.m.read(s.o, "strong read", true) }

// sees has a read find what w wrote.
func (w *writing) seenBy(r *reading, etag string) { r.found(w.update.id, etag, "") }

var errLost = errors.New("lost")

func TestAModelTellsBrokenPromises(t *testing.T) {
	for name, test := range map[string]struct {
		tell func(s *story)
		want string // of the violation; "": there is none
	}{
		"an acknowledged write is read": {func(s *story) {
			s.stored("a").seenBy(s.read(), "a")
		}, ""},
		"an acknowledged write is lost": {func(s *story) {
			s.stored("a")
			s.read().absent()
		}, "found nothing, although the key was stored"},
		"an older value is back": {func(s *story) {
			old := s.stored("a")
			s.stored("b")
			old.seenBy(s.read(), "a")
		}, "is in the past"},
		"a read that began before the write ended may see either": {func(s *story) {
			old := s.stored("a")
			r := s.read()
			s.stored("b")
			old.seenBy(r, "a")
		}, ""},
		"a write under way is read": {func(s *story) {
			s.stored("a")
			s.put(condition{}).seenBy(s.read(), "b")
		}, ""},
		"a deleted key is back": {func(s *story) {
			old := s.stored("a")
			s.delete().acknowledged("", storage.Yes)
			old.seenBy(s.read(), "a")
		}, "is in the past"},
		"a write of unknown outcome may be seen, and may not": {func(s *story) {
			old := s.stored("a")
			lost := s.put(condition{})
			lost.gaveUp(errLost, true)
			old.seenBy(s.read(), "a")
			lost.seenBy(s.read(), "b")
			old.seenBy(s.read(), "a")
		}, ""},
		"a strong read goes back": {func(s *story) {
			old := s.stored("a")
			lost := s.put(condition{})
			lost.gaveUp(errLost, true)
			lost.seenBy(s.strongRead(), "b")
			old.seenBy(s.strongRead(), "a")
		}, "is in the past"},
		"a delete of unknown outcome that a strong read saw is undone": {func(s *story) {
			old := s.stored("a")
			s.delete().gaveUp(errLost, true)
			s.strongRead().absent()
			old.seenBy(s.strongRead(), "a")
		}, "is in the past"},
		"a write of unknown outcome lands over a later one": {func(s *story) {
			lost := s.put(condition{})
			lost.gaveUp(errLost, true)
			s.stored("b")
			lost.seenBy(s.read(), "a")
		}, "is in the past"},
		"a delete of unknown outcome lands over a later write": {func(s *story) {
			s.delete().gaveUp(errLost, true)
			s.stored("b")
			s.read().absent()
		}, "found nothing, although the key was stored"},
		"a write that did not happen is read": {func(s *story) {
			w := s.put(condition{})
			w.gaveUp(errLost, false)
			w.seenBy(s.read(), "a")
		}, "of which was said that it did not happen"},
		"a write that was read did not happen": {func(s *story) {
			w := s.put(condition{})
			w.seenBy(s.read(), "a")
			w.gaveUp(errLost, false)
		}, "was seen, and then it was said that it did not happen"},
		"a foreign value": {func(s *story) {
			s.read().found(id{7, 7}, "a", "")
		}, "what nobody ever put there"},
		"torn bytes": {func(s *story) {
			s.read().found(s.stored("a").update.id, "a", "torn")
		}, "another value than put 1-1 (1 bytes): torn"},
		"an etag changes": {func(s *story) {
			s.stored("a").seenBy(s.read(), "b")
		}, "before, it had a"},
		"two writes replace the same": {func(s *story) {
			was := condition{holds: s.stored("a").update, etag: "a"}
			first, second := s.put(was), s.put(was)
			first.acknowledged("b", storage.Yes)
			second.acknowledged("c", storage.Yes)
		}, "and so did put"},
		"a write replaces what is in the past": {func(s *story) {
			was := condition{holds: s.stored("a").update, etag: "a"}
			s.stored("b")
			s.put(was).acknowledged("c", storage.Yes)
		}, "under the condition of put 1-1 (1 bytes), which is in the past"},
		"a key is created over an object": {func(s *story) {
			s.stored("a")
			s.put(condition{absent: true}).acknowledged("b", storage.Unknown)
		}, "under the condition that the key is absent"},
		"a key is created once more after it was deleted": {func(s *story) {
			s.stored("a")
			s.delete().acknowledged("", storage.Yes)
			s.put(condition{absent: true}).acknowledged("b", storage.No)
		}, ""},
		"a condition that holds is refused": {func(s *story) {
			was := condition{holds: s.stored("a").update, etag: "a"}
			s.put(was).refused("a")
		}, `was refused because the etag is "a"`},
		"a condition is refused for a key that was deleted": {func(s *story) {
			s.stored("a")
			s.delete().acknowledged("", storage.Yes)
			s.put(condition{absent: true}).refused("a")
		}, "which is in the past"},
		"a put says that it replaced something that was deleted": {func(s *story) {
			s.stored("a")
			s.delete().acknowledged("", storage.Yes)
			s.put(condition{}).acknowledged("b", storage.Yes)
		}, "says that there was an object before"},
		"a delete says that it found nothing of what was stored": {func(s *story) {
			s.stored("a")
			s.delete().acknowledged("", storage.No)
		}, "says that there was nothing before"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			test.tell(s)
			got := strings.Join(s.m.violations(), "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("violations: %q, want %q", got, test.want)
			}
		})
	}
}

func TestEveryByteOfAValueIsChecked(t *testing.T) {
	const key, size = "k", 3000
	value := content(key, id{1, 2}, size)
	if wrong := difference(key, id{1, 2}, size, value); wrong != "" {
		t.Error(wrong)
	}
	value[size-1]++
	if wrong := difference(key, id{1, 2}, size, value); !strings.Contains(wrong, "the first 2999 of them the same") {
		t.Error(wrong)
	}
	if wrong := difference(key, id{1, 2}, size, content(key, id{1, 3}, size)); !strings.Contains(wrong, "write 1-3 of 3000 bytes") {
		t.Error(wrong)
	}
	if i, ok := parseContentType(id{3, 17}.contentType()); !ok || i != (id{3, 17}) {
		t.Errorf("%v, %t", i, ok)
	}
}

func TestReplicasThatDifferAreFound(t *testing.T) {
	value := replicaCopy{version: "1", writer: "w", contentType: "chaos/1-1", size: 1}
	older, tombstone := value, replicaCopy{version: "2", writer: "w", tombstone: true}
	older.version = "0"
	for name, test := range map[string]struct {
		copies []replicaCopy
		lost   bool // a write of unknown outcome came after the one that was acknowledged
		hints  string
		repair string
	}{
		"all the same":           {[]replicaCopy{value, value, value}, false, "", ""},
		"one is older":           {[]replicaCopy{value, older, value}, false, "its copies differ", "the copies of"},
		"one is older, a lost":   {[]replicaCopy{value, older, value}, true, "", "the copies of"},
		"one has nothing":        {[]replicaCopy{value, value, {}}, false, "its copies differ", "the copies of"},
		"all lost it":            {nil, false, "", "all replicas lack"},
		"all say it was deleted": {[]replicaCopy{tombstone, tombstone, tombstone}, false, "", "all replicas lack"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &comparison{copies: make(map[string][]replicaCopy)}
			judge := func(how func(*model, *comparison, *report)) string {
				s := newStory()
				s.stored("a")
				if test.lost {
					s.put(condition{}).gaveUp(errLost, true)
				}
				if test.copies != nil {
					c.keys, c.copies[s.o.key] = []string{s.o.key}, test.copies
				}
				how(s.m, c, &report{})
				return strings.Join(s.m.violations(), "\n")
			}
			check := func(got, want string) {
				if want == "" && got != "" || !strings.Contains(got, want) {
					t.Errorf("violations: %q, want %q", got, want)
				}
			}
			check(judge((*model).judgeHints), test.hints)
			check(judge((*model).judgeReplicas), test.repair)
		})
	}
}
