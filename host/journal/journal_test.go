package journal

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// bench is a journal of a test on a disk that can crash.
type bench struct {
	*testing.T
	disk *vfs.MemFS
	opts Options
	time time.Time
	mu   sync.Mutex
	j    *Journal
	l    *Log
}

func newBench(t *testing.T, o Options) *bench {
	b := &bench{T: t, disk: vfs.NewCrashableMem(), opts: o, time: time.Unix(1_700_000_000, 0)}
	b.opts.now = func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.time }
	b.open()
	t.Cleanup(func() { _ = b.j.Close() })
	return b
}

func (b *bench) open() {
	b.Helper()
	b.opts.files = b.disk
	j, err := Open("/data/journal", b.opts)
	if err != nil {
		b.Fatal(err)
	}
	b.j, b.l = j, j.Log("safe")
}

// pass makes time go by.
func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.time = b.time.Add(d)
}

// restart closes the journal and opens it again.
func (b *bench) restart() {
	b.Helper()
	if err := b.j.Close(); err != nil {
		b.Fatal(err)
	}
	b.open()
}

// crash loses all that is not synced and opens the journal again.
func (b *bench) crash() {
	b.Helper()
	disk := b.disk.CrashClone(vfs.CrashCloneCfg{})
	if err := b.j.Close(); err != nil {
		b.Fatal(err)
	}
	b.disk = disk
	b.open()
}

func (b *bench) begin(key string, version uint64, targets ...string) *Intent {
	return b.l.Begin(key, version, "v", targets...)
}

func (b *bench) wait(i *Intent) {
	b.Helper()
	if err := i.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// miss makes target owe an acknowledged write.
func (b *bench) miss(key string, version uint64, target string) {
	b.Helper()
	i := b.begin(key, version, target)
	b.wait(i)
	i.Acknowledged()
	i.Missed(target)
}

// owes checks what target owes of key that was acknowledged; 0: nothing.
func (b *bench) owes(target, key string, want uint64) {
	b.Helper()
	if version, owes := b.l.Owes(target, key); version != want || owes != (want != 0) {
		b.Errorf("%s owes version %d of %s (%t), want %d", target, version, key, owes, want)
	}
}

// entry checks the newest version that target owes of key; 0: there is none.
func (b *bench) entry(target, key string, want uint64) {
	b.Helper()
	if e, ok := b.l.Entry(target, key); e.Version != want || ok != (want != 0) {
		b.Errorf("the entry of %s for %s is %+v (%t), want version %d", target, key, e, ok, want)
	}
}

// ripe checks the keys that are ripe.
func (b *bench) ripe(target string, want ...string) {
	b.Helper()
	keys := []string{}
	for _, e := range b.l.Ripe(target, 100) {
		keys = append(keys, e.Key)
	}
	if strings.Join(keys, " ") != strings.Join(want, " ") {
		b.Errorf("ripe for %s: %q, want %q", target, keys, want)
	}
}

func (b *bench) dirty(target string, want bool) uint64 {
	b.Helper()
	mark, dirty := b.l.Dirty(target)
	if dirty != want {
		b.Errorf("dirty: %t, want %t", dirty, want)
	}
	return mark
}

func woken(wake <-chan struct{}) bool {
	select {
	case <-wake:
		return true
	default:
		return false
	}
}
