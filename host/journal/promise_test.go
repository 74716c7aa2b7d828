package journal

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// world is a policy over the children a, which is often away, and b. The
// promise: what was acknowledged and a lacks is owed, or a is dirty.
type world struct {
	disk   *vfs.MemFS
	opts   Options
	now    time.Time
	j      *Journal
	l      *Log
	writes []*worldWrite

	version   uint64
	a, b, ack map[string]uint64 // the newest version of each key

	scanMark uint64
	scanned  int // keys; -1: no scan
}

// worldWrite is a write under way.
type worldWrite struct {
	key          string
	version      uint64
	i            *Intent
	landed       bool // at b
	endA, endB   bool
	given, acked bool
}

func (w *world) open(t *rapid.T) {
	w.opts.files = w.disk
	j, err := Open("/data/journal", w.opts)
	if err != nil {
		t.Fatal(err)
	}
	w.j, w.l, w.writes = j, j.Log("safe"), nil
}

func (w *world) write(t *rapid.T) *worldWrite {
	if len(w.writes) == 0 {
		t.Skip("none is under way")
	}
	return rapid.SampledFrom(w.writes).Draw(t, "write")
}

func (w *world) key(t *rapid.T) string { return rapid.SampledFrom(modelKeys).Draw(t, "key") }

func (w *world) begin(t *rapid.T) {
	w.version++
	x := &worldWrite{key: w.key(t), version: w.version}
	x.i = w.l.Begin(x.key, x.version, "", "a", "b")
	w.writes = append(w.writes, x)
}

func (w *world) giveB(t *rapid.T) {
	x := w.write(t)
	if x.endB {
		t.Skip("it has ended there")
	}
	x.endB = true
	if rapid.IntRange(0, 9).Draw(t, "fails") == 0 {
		x.i.Missed("b")
		return
	}
	x.landed = true
	w.b[x.key] = max(w.b[x.key], x.version)
	x.i.Done("b")
}

func (w *world) giveA(t *rapid.T) {
	x := w.write(t)
	if x.endA {
		t.Skip("it has ended there")
	}
	how := rapid.SampledFrom([]string{"done", "missed", "missed", "lost answer"}).Draw(t, "how")
	x.endA = true
	if how != "missed" {
		w.a[x.key] = max(w.a[x.key], x.version)
		x.given = true
	}
	if how == "done" {
		x.i.Done("a")
	} else {
		x.i.Missed("a")
	}
}

func (w *world) drop(t *rapid.T) {
	x := w.write(t)
	if x.landed || x.given || x.endA || x.endB {
		t.Skip("it may have happened")
	}
	x.endA, x.endB = true, true
	x.i.Dropped("a")
	x.i.Dropped("b")
}

func (w *world) acknowledge(t *rapid.T) {
	x := w.write(t)
	if !x.landed || x.acked {
		t.Skip("it cannot be acknowledged")
	}
	if err := x.i.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	x.i.Acknowledged()
	x.acked = true
	w.ack[x.key] = max(w.ack[x.key], x.version)
}

func (w *world) repair(t *rapid.T) {
	ripe := w.l.Ripe("a", 10)
	if len(ripe) == 0 {
		t.Skip("nothing is ripe")
	}
	e := rapid.SampledFrom(ripe).Draw(t, "entry")
	w.a[e.Key] = max(w.a[e.Key], w.b[e.Key])
	paid := w.b[e.Key]
	if !w.underWay(e.Key) {
		paid = max(paid, e.Version) // that write is nowhere and never will be
	}
	w.l.Settle("a", e.Key, paid)
}

func (w *world) underWay(key string) bool {
	for _, x := range w.writes {
		if x.key == key && (!x.endA || !x.endB) {
			return true
		}
	}
	return false
}

func (w *world) markDirty(t *rapid.T) {
	if err := w.l.MarkDirty("a", "for a test"); err != nil {
		t.Fatal(err)
	}
}

func (w *world) scan(t *rapid.T) {
	switch mark, dirty := w.l.Dirty("a"); {
	case w.scanned < 0 && !dirty:
		t.Skip("there is no need")
	case w.scanned < 0:
		w.scanMark, w.scanned = mark, 0
	case w.scanned < len(modelKeys):
		key := modelKeys[w.scanned]
		w.a[key] = max(w.a[key], w.b[key])
		w.scanned++
	default:
		if err := w.l.Clean("a", w.scanMark); err != nil {
			t.Fatal(err)
		}
		w.scanned = -1
	}
}

func (w *world) pass(*rapid.T) { w.now = w.now.Add(20 * time.Minute) }

// crash ends the process, and the scan goes on where it was.
func (w *world) crash(t *rapid.T) {
	disk := w.disk.CrashClone(vfs.CrashCloneCfg{})
	if err := w.j.Close(); err != nil {
		t.Fatal(err)
	}
	w.disk = disk
	w.open(t)
}

func (w *world) check(t *rapid.T) {
	_, dirty := w.l.Dirty("a")
	for _, key := range modelKeys {
		owed, _ := w.l.Owes("a", key)
		if w.ack[key] > w.a[key] && !dirty && owed < w.ack[key] {
			t.Fatalf("version %d of %s is acknowledged, a has %d and owes %d", w.ack[key], key, w.a[key], owed)
		}
	}
}

func TestAcknowledgedWritesAreOwedUntilGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			disk: vfs.NewCrashableMem(), now: time.Unix(1_700_000_000, 0), scanned: -1,
			a: make(map[string]uint64), b: make(map[string]uint64), ack: make(map[string]uint64),
		}
		w.opts = Options{MaxBytes: 3*entryOverhead + 3, MaxAge: time.Hour, now: func() time.Time { return w.now }}
		w.open(t)
		defer func() { _ = w.j.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"begin": w.begin, "give b": w.giveB, "give b too": w.giveB, "give a": w.giveA, "drop": w.drop,
			"acknowledge": w.acknowledge, "acknowledge too": w.acknowledge, "repair": w.repair,
			"mark dirty": w.markDirty, "scan": w.scan, "scan too": w.scan, "scan more": w.scan,
			"pass": w.pass, "crash": w.crash, "": w.check,
		})
	})
}
