package supabase

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// deed is an operation of a history. Values are numbers; 0 is absence.
type deed struct {
	kind  string // get, put, put if absent, put if value, delete
	value int
	want  int // of put if value

	saw     int // by get
	refused bool
	unknown bool
}

// key is a register with compare-and-set, in which a write of unknown outcome
// happens or does not.
var keyModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{0} },
	Step: func(state, input, _ any) []any {
		now, d := state.(int), input.(deed)
		if d.kind == "get" {
			if d.saw == now {
				return []any{now}
			}
			return nil
		}
		holds := d.kind == "put" || d.kind == "delete" || d.kind == "put if absent" && now == 0 || d.kind == "put if value" && now == d.want
		after := d.value // of a delete 0
		switch {
		case d.unknown && holds:
			return []any{now, after}
		case d.unknown:
			return []any{now}
		case holds == d.refused:
			return nil
		case d.refused:
			return []any{now}
		default:
			return []any{after}
		}
	},
	Equal:             func(a, b any) bool { return a == b },
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
}

// chronicle records what one key went through. Writes of one backend to it wait
// for one another, as the SDK's server has them do.
type chronicle struct {
	key   string
	mu    sync.Mutex
	begun time.Time
	ops   []porcupine.Operation
	etags map[string]int
	last  int // a value that was seen lately
	turns [2]sync.Mutex
	open  [2][]int // writes of unknown outcome, by backend
}

const never = int64(1) << 60

func (c *chronicle) now() int64 { return int64(time.Since(c.begun)) }

func (c *chronicle) add(client, writer int, began int64, d deed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	op := porcupine.Operation{ClientId: client, Input: d, Call: began, Return: c.now()}
	if d.unknown {
		op.Return = never
		c.open[writer] = append(c.open[writer], len(c.ops))
	} else if d.kind != "get" && !d.refused {
		// What was given up before an acknowledged write by the same writer has
		// happened by then, or never will.
		for _, i := range c.open[writer] {
			c.ops[i].Return = op.Return
		}
		c.open[writer] = nil
	}
	c.ops = append(c.ops, op)
}

func (c *chronicle) act(ctx context.Context, b *backend, client, writer, id int) error {
	d := deed{kind: []string{"get", "get", "put", "put if absent", "put if value", "delete"}[rand.IntN(6)]}
	if d.kind != "get" {
		c.turns[writer].Lock()
		defer c.turns[writer].Unlock()
	}
	began := c.now()
	opts := storage.PutOptions{}
	switch d.kind {
	case "get":
		r, err := b.Get(ctx, c.key, storage.GetOptions{})
		var value []byte
		if err == nil {
			value, err = r.Bytes()
		}
		switch {
		case errors.Is(err, storage.ErrNotFound):
		case err != nil:
			return tolerable(err)
		default:
			d.saw, _ = strconv.Atoi(string(value))
			c.mu.Lock()
			c.etags[r.Object.ETag], c.last = d.saw, d.saw
			c.mu.Unlock()
		}
		c.add(client, writer, began, d)
		return nil
	case "delete":
		_, err := b.Delete(ctx, c.key, storage.DeleteOptions{})
		return c.wrote(client, writer, began, d, err)
	case "put if absent":
		opts.If = storage.IfAbsent()
	case "put if value":
		c.mu.Lock()
		for etag, value := range c.etags {
			if value == c.last && value != 0 {
				opts.If, d.want = storage.IfETag(etag), value
			}
		}
		c.mu.Unlock()
		if d.want == 0 {
			return nil
		}
	}
	d.value = id
	res, err := b.Put(ctx, c.key, strings.NewReader(strconv.Itoa(id)), opts)
	if err == nil {
		c.mu.Lock()
		c.etags[res.Object.ETag], c.last = id, id
		c.mu.Unlock()
	}
	return c.wrote(client, writer, began, d, err)
}

func (c *chronicle) wrote(client, writer int, began int64, d deed, err error) error {
	if e := storage.AsError(err); e != nil {
		d.unknown, d.refused = e.OutcomeUnknown, e.Code == storage.CodeFailedPrecondition
		if !d.unknown && !d.refused {
			return tolerable(err) // it did not happen
		}
	}
	c.add(client, writer, began, d)
	return nil
}

func tolerable(err error) error {
	if storage.CodeOf(err).Transient() || errors.Is(err, storage.ErrCanceled) {
		return nil
	}
	return err
}

func TestHistoriesUnderFaultsAreLinearizable(t *testing.T) {
	t.Parallel()
	const clients, each = 12, 60
	project := newProject(t, "", supabasetest.ProjectOptions{PoolSize: 30})
	c := config(project)
	c.Timeout, c.MaxRetries = 300*time.Millisecond, 2
	backends := []*backend{openWith(t, c, ""), openWith(t, c, "")}
	keys := make([]*chronicle, 3)
	for i := range keys {
		keys[i] = &chronicle{key: fmt.Sprint("k", i), begun: time.Now(), etags: make(map[string]int)}
	}
	over := make(chan struct{})
	var faults sync.WaitGroup
	faults.Go(func() { torment(project, over) })
	var ids sync.Mutex
	id := 0
	var work sync.WaitGroup
	for client := range clients {
		work.Go(func() {
			for range each {
				ids.Lock()
				id++
				mine := id
				ids.Unlock()
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond+rand.N(2*time.Second))
				writer := client % len(backends)
				if err := keys[rand.IntN(len(keys))].act(ctx, backends[writer], client, writer, mine); err != nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	work.Wait()
	close(over)
	faults.Wait()
	unknown, writes := 0, 0
	for _, k := range keys {
		saw := 0
		r, err := backends[0].Get(t.Context(), k.key, storage.GetOptions{})
		if err == nil {
			value, err := r.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			saw, _ = strconv.Atoi(string(value))
		} else if !errors.Is(err, storage.ErrNotFound) {
			t.Fatal(err)
		}
		k.add(clients, 0, k.now(), deed{kind: "get", saw: saw})
		for _, op := range k.ops {
			if d := op.Input.(deed); d.kind != "get" {
				writes++
				if d.unknown {
					unknown++
				}
			}
		}
		switch porcupine.CheckOperationsTimeout(keyModel.ToModel(), k.ops, time.Minute) {
		case porcupine.Illegal:
			t.Errorf("the history of %s is not linearizable:\n%v", k.key, k.ops)
		case porcupine.Unknown:
			t.Logf("the history of %s, of %d operations, was not checked within a minute", k.key, len(k.ops))
		}
	}
	t.Logf("%d writes, %d of unknown outcome", writes, unknown)
	if unknown == 0 {
		t.Error("no write had an unknown outcome")
	}
}

// torment breaks requests until over is closed. Those that it holds back are
// carried out some time later, or when it ends.
func torment(project *supabasetest.Project, over <-chan struct{}) {
	var all, held []*supabasetest.Injection
	defer func() {
		for _, i := range all {
			i.Remove()
			i.Release()
		}
	}()
	matches := []string{"/rpc/stowage_put", "/rpc/stowage_delete", "/rpc/stowage_get", "/rpc/stowage_"}
	for {
		select {
		case <-over:
			return
		case <-time.After(10 * time.Millisecond):
		}
		match := matches[rand.IntN(len(matches))]
		fault := supabasetest.Fault{Kind: supabasetest.Late, Match: match}
		switch rand.IntN(6) {
		case 0:
			fault = supabasetest.Fault{Kind: supabasetest.AnswerLost, Match: match, Times: 2}
		case 1:
			fault = supabasetest.Fault{Kind: supabasetest.CutBefore, Match: match}
		case 2:
			fault = supabasetest.SerializationFailure(match)
		case 3:
			fault = supabasetest.ServiceUnavailable(match, -1)
		}
		i := project.Inject(fault)
		all = append(all, i)
		if fault.Kind == supabasetest.Late {
			held = append(held, i)
		}
		if len(held) > 8 {
			held[0].Release()
			held = held[1:]
		}
	}
}
