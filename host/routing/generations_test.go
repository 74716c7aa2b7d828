package routing

import (
	"fmt"
	"testing"
	"time"
)

// wrote is a write of key from its beginning to its end.
func (g *generations) wrote(key string, how writeEnd, now int64) (seq uint64, alone bool) {
	return g.end(key, g.begin(key), how, "e", now)
}

func TestGenerationsJudgeWhatWasRead(t *testing.T) {
	const now = 1000
	cases := []struct {
		name  string
		since func(g *generations)
		want  judgement
	}{
		{"nothing happened", func(*generations) {}, current},
		{"another key was written", func(g *generations) { g.wrote("other", writeDone, now) }, current},
		{"a write began", func(g *generations) { g.begin("k") }, replaced},
		{"it was written", func(g *generations) { g.wrote("k", writeDone, now) }, replaced},
		{"a write failed", func(g *generations) { g.wrote("k", writeFailed, now) }, replaced},
		{"somebody else changed it", func(g *generations) { g.changed("k") }, replaced},
		{"changes were missed", func(g *generations) { g.missed() }, uncertain},
		{"it was written and forgotten", func(g *generations) {
			g.wrote("k", writeDone, now)
			for i := range g.recent.limit {
				g.wrote(fmt.Sprint(i), writeDone, now)
			}
		}, uncertain},
		{"others were forgotten", func(g *generations) {
			for i := range 2 * g.recent.limit {
				g.wrote(fmt.Sprint(i), writeDone, now)
			}
		}, uncertain},
		{"a write is under way, and forgotten", func(g *generations) {
			g.begin("k")
			for i := range g.recent.limit {
				g.wrote(fmt.Sprint(i), writeDone, now)
			}
		}, replaced},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := newGenerations()
			g.recent = newRecent[generation](4)
			seq, ok := g.now("k", now)
			if !ok {
				t.Fatal("nothing can be cached")
			}
			c.since(g)
			if got := g.good("k", seq, now); got != c.want {
				t.Errorf("it is judged %d, want %d", got, c.want)
			}
			if got := g.good("k", 0, now); got == current {
				t.Error("what is of another process is judged current")
			}
			if n := len(g.recent.last); n > 4 {
				t.Errorf("%d keys are remembered", n)
			}
		})
	}
}

func TestAfterAWriteOfUnknownOutcomeNothingIsCached(t *testing.T) {
	const now, later = 1000, 1000 + int64(UnknownOutcomePause)
	cacheable := func(g *generations, key string, at int64) bool {
		_, ok := g.now(key, at)
		return ok
	}
	g := newGenerations()
	g.recent = newRecent[generation](2)
	g.wrote("k", writeUnknown, now)
	if cacheable(g, "k", later-1) || !cacheable(g, "k", later) || !cacheable(g, "other", now) {
		t.Error("the pause is not that of the key")
	}
	g.wrote("k", writeFailed, now)
	if cacheable(g, "k", now) {
		t.Error("a failure ended the doubt")
	}
	t1 := g.begin("k")
	g.wrote("k", writeDone, now)
	g.end("k", t1, writeFailed, "", now)
	if cacheable(g, "k", now) {
		t.Error("a write that was not alone ended the doubt")
	}
	g.wrote("k", writeDone, now)
	if !cacheable(g, "k", now) {
		t.Error("a later write did not end the doubt")
	}
	g.wrote("k", writeUnknown, now)
	for i := range 2 {
		g.wrote(fmt.Sprint(i), writeDone, now)
	}
	if cacheable(g, "k", later-1) || cacheable(g, "stranger", now) || !cacheable(g, "k", later) {
		t.Error("the doubt about a key that was forgotten is forgotten too")
	}
}

func TestWhatWasWrittenIsCurrentIfTheWriteWasAlone(t *testing.T) {
	cases := []struct {
		name  string
		run   func(g *generations) (seq uint64, alone bool)
		alone bool
	}{
		{"alone", func(g *generations) (uint64, bool) { return g.wrote("k", writeDone, 0) }, true},
		{"after another", func(g *generations) (uint64, bool) {
			g.wrote("k", writeDone, 0)
			return g.wrote("k", writeDone, 0)
		}, true},
		{"beside a write of another key", func(g *generations) (uint64, bool) {
			g.begin("other")
			return g.wrote("k", writeDone, 0)
		}, true},
		{"within another", func(g *generations) (uint64, bool) {
			g.begin("k")
			return g.wrote("k", writeDone, 0)
		}, false},
		{"before the end of another", func(g *generations) (uint64, bool) {
			t := g.begin("k")
			g.begin("k")
			return g.end("k", t, writeDone, "e", 0)
		}, false},
		{"around another", func(g *generations) (uint64, bool) {
			t := g.begin("k")
			g.wrote("k", writeDone, 0)
			return g.end("k", t, writeDone, "e", 0)
		}, false},
		{"after its own event", func(g *generations) (uint64, bool) {
			t := g.begin("k")
			g.heard("k", "e")
			return g.end("k", t, writeDone, "e", 0)
		}, true},
		{"after somebody else's and its own event", func(g *generations) (uint64, bool) {
			t := g.begin("k")
			g.heard("k", "theirs")
			g.heard("k", "e")
			return g.end("k", t, writeDone, "e", 0)
		}, true},
		{"after its own and somebody else's event", func(g *generations) (uint64, bool) {
			t := g.begin("k")
			g.heard("k", "e")
			g.heard("k", "theirs")
			return g.end("k", t, writeDone, "e", 0)
		}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, alone := c.run(newGenerations()); alone != c.alone {
				t.Errorf("alone: %v, want %v", alone, c.alone)
			}
		})
	}
}

func TestOnlyChangesByOthersAreNews(t *testing.T) {
	g := newGenerations()
	news := func(etag string, want bool) {
		t.Helper()
		if got := g.heard("k", etag); got != want {
			t.Errorf("that the key has etag %q is news: %v", etag, got)
		}
	}
	news("theirs", true)
	g.wrote("k", writeDone, 0)
	news("e", false)
	news("e", false)
	news("theirs", true)
	g.changed("k")
	news("e", true)

	g.end("k", g.begin("k"), writeDone, "", 0) // a delete
	news("", false)
	news("theirs", true)
	g.changed("k")
	news("", true) // somebody else's delete

	g.wrote("k", writeFailed, 0)
	news("e", true)
	g.wrote("k", writeUnknown, time.Now().UnixNano())
	news("e", true)
}
