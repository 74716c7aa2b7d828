package manager

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/host/routing"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// keeper is a policy over one child that owes it something, and of which copies
// can be repaired. What happens to it is noted in a diary, which reaches it as a
// planner.
type keeper struct {
	Of     string `stowage:"of,required,ref"`
	Broken bool   `stowage:"broken"`
}

type diary struct {
	routing.Planner
	mu      sync.Mutex
	entries []string
	repair  func(ctx context.Context, opts routing.RepairOptions) (routing.RepairReport, error)
}

func (d *diary) note(entry string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, entry)
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.entries)
}

func (k keeper) Build(name string, env routing.Env, child func(string) (routing.Child, error)) (storage.Store, error) {
	c, err := child(k.Of)
	if err != nil {
		return nil, err
	}
	if k.Broken {
		return nil, errors.New("this one cannot be built")
	}
	d := env.Planners["diary"].(*diary)
	d.note("built " + name)
	return &kept{c.Store, name, c.Name, d}, nil
}

type kept struct {
	storage.Store
	name, child string
	diary       *diary
}

func (k *kept) Close(context.Context) error {
	k.diary.note("closed " + k.name)
	return nil
}

func (k *kept) Backlogs() []journal.Backlog {
	return []journal.Backlog{{Target: k.child, Entries: 3}}
}

func (k *kept) Repair(ctx context.Context, opts routing.RepairOptions) (routing.RepairReport, error) {
	return k.diary.repair(ctx, opts)
}

const nestedKeepers = `
backend "b0" { plugin = "gated" }
policy "keeper" "outer" { of = policy.inner }
policy "keeper" "inner" { of = backend.b0 }
policy "always_use" "plain" { backend = backend.b0 }
route "" { to = policy.outer }
`

// withKeepers prepares a Manager that knows the kind "keeper".
func withKeepers(t *testing.T, src string) (*Manager, *diary) {
	t.Helper()
	policies, err := PolicySchemas()
	if err != nil {
		t.Fatal(err)
	}
	if policies["keeper"], err = schema.Reflect(&keeper{}); err != nil {
		t.Fatal(err)
	}
	m := configured(t, src, policies, gated(func(context.Context, string) error { return nil }))
	d := &diary{}
	m.kinds = append(m.kinds, routing.Kind{Name: "keeper", Policy: keeper{}})
	m.opts.Planners = map[string]routing.Planner{"diary": d}
	return m, d
}

func TestPoliciesAreClosedBeforeTheirChildrenAndAfterTheLastOperation(t *testing.T) {
	m, d := withKeepers(t, nestedKeepers)
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Store().Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := m.Store().Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error)
	go func() { stopped <- m.Stop(context.Background()) }()
	waitFor(t, "new operations are refused", func() bool {
		_, err := m.Store().Stat(t.Context(), "k", storage.StatOptions{})
		return errors.Is(err, storage.ErrUnavailable) && strings.Contains(err.Error(), "shutting down")
	})
	if got := d.read(); !slices.Equal(got, []string{"built inner", "built outer"}) {
		t.Errorf("while an operation was under way: %v", got)
	}
	if got, err := r.Bytes(); string(got) != "v" || err != nil {
		t.Errorf("the operation under way read %q, %v", got, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if got := d.read(); !slices.Equal(got, []string{"built inner", "built outer", "closed outer", "closed inner"}) {
		t.Error(got)
	}
}

func TestPoliciesOfAFailedStartAreClosed(t *testing.T) {
	m, d := withKeepers(t, `
backend "b0" { plugin = "gated" }
policy "keeper" "good" { of = backend.b0 }
policy "keeper" "bad" {
  of     = policy.good
  broken = true
}`)
	if err := m.Start(t.Context()); err == nil || !strings.Contains(err.Error(), `policy "bad": this one cannot be built`) {
		t.Error(err)
	}
	if got := d.read(); !slices.Equal(got, []string{"built good", "closed good"}) {
		t.Error(got)
	}
}

func TestTheSpoolIsPrivateAndEmptiedAtStart(t *testing.T) {
	m, _ := withKeepers(t, nestedKeepers)
	dir := filepath.Join(m.cfg.Host.DataDir, "spool")
	left := filepath.Join(dir, "spool-123")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(left, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the spool: %v, %v", info, err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what was left in the spool: %v", err)
	}
	if m.env.SpoolDir != dir || m.env.Clock == nil || m.env.Journal != nil {
		t.Errorf("policies are built with %+v", m.env)
	}
}

func TestPoliciesShowWhatTheyOwe(t *testing.T) {
	m, _ := withKeepers(t, nestedKeepers)
	if got := m.Policies(); got != nil {
		t.Errorf("before the start: %+v", got)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := m.Policies()
	if len(all) != 3 || all[0].Name != "outer" || all[0].Backlogs[0] != (journal.Backlog{Target: "policy.inner", Entries: 3}) || all[2].Backlogs != nil {
		t.Errorf("%+v", all)
	}
}

func TestOnlyOneRepairOfAPolicyRunsAtATime(t *testing.T) {
	m, d := withKeepers(t, nestedKeepers)
	if _, err := m.Repair(t.Context(), "outer", routing.RepairOptions{}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("before the start: %v", err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	began, end := make(chan struct{}), make(chan struct{})
	d.repair = func(_ context.Context, opts routing.RepairOptions) (routing.RepairReport, error) {
		began <- struct{}{}
		<-end
		return routing.RepairReport{Scanned: 7, DryRun: opts.DryRun}, nil
	}
	var wg sync.WaitGroup
	for _, name := range []string{"outer", "inner"} { // two at once, of two policies
		wg.Go(func() {
			report, err := m.Repair(t.Context(), name, routing.RepairOptions{DryRun: true})
			if err != nil || report.Scanned != 7 || !report.DryRun {
				t.Errorf("%s: %+v, %v", name, report, err)
			}
		})
		<-began
	}
	if _, err := m.Repair(t.Context(), "outer", routing.RepairOptions{}); !errors.Is(err, storage.ErrAborted) || !strings.Contains(err.Error(), "being repaired already") {
		t.Errorf("a second repair of one policy: %v", err)
	}
	close(end)
	wg.Wait()
	go func() { <-began }()
	if _, err := m.Repair(t.Context(), "outer", routing.RepairOptions{}); err != nil {
		t.Errorf("a repair after the first: %v", err)
	}
}

func TestARepairOfWhatHasNoCopiesNamesWhatHas(t *testing.T) {
	m, _ := withKeepers(t, nestedKeepers)
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"nowhere": `there is no policy "nowhere"; those that can be repaired: inner, outer`,
		"plain":   `policy "plain" keeps no copies that could be repaired; those that can be repaired: inner, outer`,
	} {
		_, err := m.Repair(t.Context(), name, routing.RepairOptions{})
		if !errors.Is(err, storage.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStopEndsRepairs(t *testing.T) {
	m, d := withKeepers(t, nestedKeepers)
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{})
	d.repair = func(ctx context.Context, _ routing.RepairOptions) (routing.RepairReport, error) {
		close(began)
		<-ctx.Done()
		d.note("repair ended")
		return routing.RepairReport{Position: "m"}, ctx.Err()
	}
	done := make(chan error)
	go func() {
		report, err := m.Repair(context.Background(), "outer", routing.RepairOptions{})
		if report.Position != "m" {
			t.Errorf("the report of a repair that was ended: %+v", report)
		}
		done <- err
	}()
	<-began
	if err := m.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "goes on where this one ended") {
		t.Errorf("the repair: %v", err)
	}
	if got := d.read(); !slices.Equal(got[2:], []string{"repair ended", "closed outer", "closed inner"}) {
		t.Error(got)
	}
	if _, err := m.Repair(t.Context(), "outer", routing.RepairOptions{}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("after Stop: %v", err)
	}
}
