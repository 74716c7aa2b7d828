package supabase

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestCompareAndSetLosesNoIncrement(t *testing.T) {
	t.Parallel()
	const clients, each = 32, 100
	project := newProject(t, "", supabasetest.ProjectOptions{})
	backends := []*backend{openWith(t, config(project), ""), openWith(t, config(project), "")}
	put(t, backends[0], "n", "0", storage.PutOptions{})
	increment := func(b *backend) error {
		for {
			r, err := b.Get(t.Context(), "n", storage.GetOptions{})
			if err != nil {
				return err
			}
			value, err := r.Bytes()
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(value))
			if err != nil {
				return err
			}
			_, err = b.Put(t.Context(), "n", strings.NewReader(strconv.Itoa(n+1)), storage.PutOptions{If: storage.IfETag(r.Object.ETag)})
			if !errors.Is(err, storage.ErrFailedPrecondition) {
				return err
			}
			// Those who lost come back one by one, as clients should.
			time.Sleep(rand.N(4 * clients * time.Millisecond))
		}
	}
	var work sync.WaitGroup
	for i := range clients {
		work.Go(func() {
			for range each {
				if err := increment(backends[i%len(backends)]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	if got := get(t, backends[0], "n"); got != strconv.Itoa(clients*each) {
		t.Errorf("%d increments made it %s", clients*each, got)
	}
}

func TestTenThousandKeysAreListedInOrderWhileOthersComeAndGo(t *testing.T) {
	t.Parallel()
	const keys = 10_000
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	var want []string
	var ops []storage.BatchOp
	for i := range keys { // in no order, and with bytes that sort unlike letters
		key := fmt.Sprintf("%c%05d", []rune("aZ~é𐀀/\x01")[i%7], i)
		want = append(want, key)
		ops = append(ops, storage.BatchOp{Kind: storage.BatchPut, Key: key, Value: []byte{byte(i)}})
	}
	rand.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	for part := range slices.Chunk(ops, 1000) {
		if _, err := b.Batch(t.Context(), part, storage.BatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)

	stop := make(chan struct{})
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				key := want[rand.IntN(keys)] + "+" + strconv.Itoa(i)
				if _, err := b.Put(t.Context(), key, strings.NewReader("v"), storage.PutOptions{}); err != nil {
					t.Error(err)
				}
				if _, err := b.Delete(t.Context(), key, storage.DeleteOptions{}); err != nil {
					t.Error(err)
				}
				// What stays is rewritten, too.
				if _, err := b.Put(t.Context(), want[rand.IntN(keys)], strings.NewReader("w"), storage.PutOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, limit := range []int{storage.MaxListLimit, 333} {
		var got []string
		for opts := (storage.ListOptions{Limit: limit}); ; {
			page, err := b.List(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Objects {
				if len(got) > 0 && o.Key <= got[len(got)-1] {
					t.Fatalf("%q comes after %q", o.Key, got[len(got)-1])
				}
				got = append(got, o.Key)
			}
			if opts.Token = page.NextToken; opts.Token == "" {
				break
			}
		}
		stayed := slices.DeleteFunc(got, func(key string) bool { return strings.Contains(key, "+") })
		if !slices.Equal(stayed, want) {
			t.Errorf("with limit %d, %d of %d keys were listed, or others", limit, len(stayed), len(want))
		}
	}
	close(stop)
	work.Wait()
}

func TestReadsThatComeTogetherShareACallAndWaitForNoneThatHangs(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	const reads, hanging = 64, 2 * minLanes
	for i := range reads {
		put(t, b, fmt.Sprint(i), strings.Repeat("x", i), storage.PutOptions{})
	}
	stall := project.Inject(supabasetest.Fault{Kind: supabasetest.Stall, Match: "/rpc/stowage_get", Times: hanging})
	defer stall.Release()
	failed := make(chan error, reads)
	read := func(i int) {
		r, err := b.Get(t.Context(), fmt.Sprint(i), storage.GetOptions{})
		if err == nil {
			var value []byte
			if value, err = r.Bytes(); err == nil && string(value) != strings.Repeat("x", i) {
				err = fmt.Errorf("key %d has %q", i, value)
			}
		}
		failed <- err
	}
	for i := range hanging {
		go read(i)
	}
	if err := stall.WaitHit(t.Context(), hanging); err != nil {
		t.Fatal(err)
	}
	project.ResetRequests()
	for i := hanging; i < reads; i++ {
		go read(i)
	}
	for range reads - hanging {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if calls := project.Count("/rpc/stowage_get"); calls > (reads-hanging)/4 {
		t.Errorf("%d reads took %d calls", reads-hanging, calls)
	}
	stall.Release()
	for range hanging {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

func TestLanesGrowWhileCallsAreOnTheirWayAndShrinkWhileTheProjectIsBusy(t *testing.T) {
	c := newCoalescer(newGate(), nil)
	for range 1000 {
		c.learn(50 * time.Millisecond)
	}
	if c.lanes != maxLanes {
		t.Errorf("after even calls there are %v lanes", c.lanes)
	}
	for range 100 {
		c.learn(200 * time.Millisecond)
	}
	if c.lanes != minLanes {
		t.Errorf("after slow calls there are %v lanes", c.lanes)
	}
	for range 3 * recent { // the way has become longer
		c.learn(200 * time.Millisecond)
	}
	if c.lanes < 2*minLanes {
		t.Errorf("after calls that are as slow as all are now there are %v lanes", c.lanes)
	}
}

func TestReadsTooLargeToShareACallAreReadOneByOne(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	b := openWith(t, config(project), "")
	values := make([]string, 12)
	for i := range values {
		values[i] = strings.Repeat(string(rune('a'+i)), readRoom*2/3)
		put(t, b, fmt.Sprint(i), values[i], storage.PutOptions{})
	}
	failed := make(chan error)
	for i := range values {
		go func() {
			r, err := b.Get(t.Context(), fmt.Sprint(i), storage.GetOptions{})
			if err == nil {
				var value []byte
				if value, err = r.Bytes(); err == nil && string(value) != values[i] {
					err = fmt.Errorf("key %d has %d other bytes", i, len(value))
				}
			}
			failed <- err
		}()
	}
	for range values {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}
