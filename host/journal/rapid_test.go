package journal

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

var (
	modelTargets = []string{"a", "b"}
	modelKeys    = []string{"k", "l", "m", "n"}
	modelValues  = []string{"x", "y"}
)

// machine drives a log and its model.
type machine struct {
	disk    *vfs.MemFS
	opts    Options
	j       *Journal
	l       *Log
	m       *model
	intents []*modelIntent
	version uint64
	marks   map[string][]uint64

	// history has the images after each step since the journal was opened;
	// those before durable cannot be what a crash leaves.
	history []image
	durable int
}

func (s *machine) open(t *rapid.T) {
	s.opts.files = s.disk
	j, err := Open("/data/journal", s.opts)
	if err != nil {
		t.Fatal(err)
	}
	s.j, s.l, s.intents = j, j.Log("safe"), nil
}

func (s *machine) intent(t *rapid.T) *modelIntent {
	if len(s.intents) == 0 {
		t.Skip("there is none")
	}
	return rapid.SampledFrom(s.intents).Draw(t, "intent")
}

func (s *machine) begin(t *rapid.T) {
	key := rapid.SampledFrom(modelKeys).Draw(t, "key")
	s.version += 2
	version := s.version
	if rapid.Bool().Draw(t, "older") {
		version -= 5 // than others that are under way; nobody else has an odd one
	}
	note := strings.Repeat("n", rapid.IntRange(0, 40).Draw(t, "note"))
	targets := rapid.SampledFrom([][]string{{"a"}, {"b"}, {"a", "b"}}).Draw(t, "targets")
	// Of a target that is dirty already there is nothing to write.
	writes := slices.ContainsFunc(targets, func(target string) bool { return !s.m.targets[target].dirty })
	i := s.m.begin(key, version, note, targets)
	if writes {
		i.at = len(s.history)
	}
	i.real = s.l.Begin(key, version, note, targets...)
	s.intents = append(s.intents, i)
}

func (s *machine) wait(t *rapid.T) {
	i := s.intent(t)
	if err := i.real.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.durable = max(s.durable, i.at)
}

func (s *machine) acknowledge(t *rapid.T) {
	i := s.intent(t)
	s.m.acknowledge(i)
	i.real.Acknowledged()
}

func (s *machine) end(t *rapid.T) {
	i := s.intent(t)
	target := rapid.SampledFrom(modelTargets).Draw(t, "target")
	how := rapid.SampledFrom([]string{"done", "missed", "missed", "dropped"}).Draw(t, "how")
	if i.writes[target] != nil {
		s.m.end(i, target, how)
	}
	map[string]func(string){"done": i.real.Done, "missed": i.real.Missed, "dropped": i.real.Dropped}[how](target)
}

func (s *machine) settle(t *rapid.T) {
	target := rapid.SampledFrom(modelTargets).Draw(t, "target")
	key := rapid.SampledFrom(modelKeys).Draw(t, "key")
	version := rapid.Uint64Range(1, s.version+2).Draw(t, "version")
	s.m.settle(target, key, version)
	s.l.Settle(target, key, version)
}

func (s *machine) markDirty(t *rapid.T) {
	target := rapid.SampledFrom(modelTargets).Draw(t, "target")
	if err := s.l.MarkDirty(target, "for a test"); err != nil {
		t.Fatal(err)
	}
	s.m.targets[target].dirty = true
	s.m.targets[target].tidy()
	s.durable = len(s.history)
}

func (s *machine) clean(t *rapid.T) {
	target := rapid.SampledFrom(modelTargets).Draw(t, "target")
	if len(s.marks[target]) == 0 {
		t.Skip("it was never dirty")
	}
	mark := rapid.SampledFrom(s.marks[target]).Draw(t, "mark")
	current, dirty := s.l.Dirty(target)
	if err := s.l.Clean(target, mark); err != nil {
		t.Fatal(err)
	}
	if dirty && mark == current {
		s.m.targets[target].dirty = false
		s.durable = len(s.history)
	}
}

func (s *machine) setValue(t *rapid.T) {
	name := rapid.SampledFrom(modelValues).Draw(t, "name")
	value := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value")
	s.m.values[name] = value
	bytes := []byte(value)
	if value == "" {
		delete(s.m.values, name)
		bytes = nil
	}
	if err := s.j.SetValue(name, bytes); err != nil {
		t.Fatal(err)
	}
	s.durable = len(s.history)
}

func (s *machine) restart(t *rapid.T) {
	if err := s.j.Close(); err != nil {
		t.Fatal(err)
	}
	if rapid.Bool().Draw(t, "crash after") {
		s.disk = s.disk.CrashClone(vfs.CrashCloneCfg{})
	}
	s.open(t)
	s.m.become(s.m.image())
	s.history, s.durable = nil, 0
}

func (s *machine) crash(t *rapid.T) {
	percent := rapid.SampledFrom([]int{0, 50}).Draw(t, "percent")
	disk := s.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(1, 2))})
	if err := s.j.Close(); err != nil {
		t.Fatal(err)
	}
	s.disk = disk
	s.open(t)
	found := imageOf(s.l)
	for _, im := range s.history[s.durable:] {
		s.m.become(im)
		if found.equal(s.m.image()) {
			s.history, s.durable = nil, 0
			return
		}
	}
	t.Fatalf("after the crash there is %+v, which it never was since %+v", found, s.history[s.durable])
}

// check compares the log with its model.
func (s *machine) check(t *rapid.T) {
	for target, m := range s.m.targets {
		b := s.l.Backlog(target) // applies the bounds, which writes under way may exceed
		s.m.bound(m)
		mark, dirty := s.l.Dirty(target)
		if dirty != m.dirty {
			t.Fatalf("%s is dirty: %t, want %t", target, dirty, m.dirty)
		}
		if dirty && !slices.Contains(s.marks[target], mark) {
			s.marks[target] = append(s.marks[target], mark)
		}
		if b.Bytes != m.bytes() {
			t.Fatalf("%s owes %d bytes, want %d", target, b.Bytes, m.bytes())
		}
		var ripe []string
		for _, key := range modelKeys {
			var want, acked modelWrite
			if e := m.entries[key]; e != nil {
				if w := e.newest(false); w != nil {
					want = *w
				}
				if w := e.newest(true); w != nil && !m.dirty {
					acked = *w
				}
				if e.ripe() && !m.dirty {
					ripe = append(ripe, key)
				}
			}
			if got, _ := s.l.Entry(target, key); got.Version != want.version || got.Note != want.note {
				t.Fatalf("the entry of %s for %s is %+v, want %+v", target, key, got, want)
			}
			if got, _ := s.l.Owes(target, key); got != acked.version {
				t.Fatalf("%s owes version %d of %s, want %d", target, got, key, acked.version)
			}
		}
		var got []string
		entries := s.l.Ripe(target, 100)
		for _, e := range entries {
			got = append(got, e.Key)
		}
		if !slices.IsSortedFunc(entries, func(a, b Entry) int { return a.Since.Compare(b.Since) }) {
			t.Fatalf("not in the order of age: %+v", entries)
		}
		if slices.Sort(got); !slices.Equal(got, ripe) {
			t.Fatalf("ripe for %s: %q, want %q", target, got, ripe)
		}
	}
	s.history = append(s.history, s.m.image())
}

func TestLogIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &machine{
			disk: vfs.NewCrashableMem(), opts: Options{MaxBytes: 250}, m: newModel(250),
			marks: make(map[string][]uint64), version: 10,
		}
		s.open(t)
		defer func() { _ = s.j.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"begin": s.begin, "begin too": s.begin, "wait": s.wait, "acknowledge": s.acknowledge,
			"end": s.end, "end too": s.end, "settle": s.settle,
			"mark dirty": s.markDirty, "clean": s.clean, "set value": s.setValue,
			"restart": s.restart, "crash": s.crash, "": s.check,
		})
	})
}
