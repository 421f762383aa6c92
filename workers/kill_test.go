package workers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// A death is a point of a task's life at which its worker is killed, and what was
// done twice for it.
type death struct {
	point string
	nth   int32
	when  string
	apply func(*yard) // instead of the chord
	want  map[string]int
}

// the effects of the chord, and of what else differs.
func effectsOfChord(differ ...any) map[string]int {
	want := map[string]int{"a": 1, "b": 1, "callback-a": 1, "callback-b": 1, "body": 1}
	for i := 0; i < len(differ); i += 2 {
		want[differ[i].(string)] = differ[i+1].(int)
	}
	return want
}

var deaths = []death{
	{workers.PointTaken, 1, "before the run", nil, effectsOfChord()},
	{pointRunning, 1, "in the run", nil, effectsOfChord("a", 2)},
	{workers.PointRan, 1, "after the run", nil, effectsOfChord("a", 2)},
	{workers.PointRecorded, 1, "after the result was recorded", nil, effectsOfChord()},
	{workers.PointSent, 1, "after a callback was published", nil, effectsOfChord()},
	{workers.PointFilled, 1, "after a slot was filled", nil, effectsOfChord()},
	{workers.PointFilled, 2, "after the last slot was filled", nil, effectsOfChord()},
	{workers.PointSent, 3, "after the body of the chord was published", nil, effectsOfChord()},
	{workers.PointSettling, 1, "before the ack", nil, effectsOfChord()},
	{workers.PointSettling, 2, "before the ack of the last member", nil, effectsOfChord()},
	{workers.PointRecorded, 1, "after a retry was recorded", (*yard).applyFlaky, map[string]int{"flaky": 1, "flaky-first": 1}},
	{workers.PointForwarded, 1, "after a task was forwarded", (*yard).applyLater, map[string]int{"later": 1}},
	{workers.PointPostponed, 1, "after a foreign task was postponed", (*yard).applyForeign, map[string]int{"later": 1}},
	{
		workers.PointSent, 1, "after a result nobody asks for was handed on", (*yard).applyIgnored,
		map[string]int{"ignored": 1, "callback-victim": 1, "next-victim": 1},
	},
	// Of the thirty steps of the chain, the first that do not travel are read when the
	// tenth has ended, and the last ones when the twenty-eighth has.
	{workers.PointRecorded, 10, "before steps that are kept are sent", (*yard).applyLongChain, map[string]int{"step": 30}},
	{workers.PointSent, 10, "after steps that are kept were sent", (*yard).applyLongChain, map[string]int{"step": 30}},
	{workers.PointCleared, 1, "after the steps were cleared away", (*yard).applyLongChain, map[string]int{"step": 30}},
	{workers.PointSettling, 28, "before the ack of the step that cleared them away", (*yard).applyLongChain, map[string]int{"step": 30}},
}

// TestAKilledWorkerLosesNothing kills a worker with -9 at each point of a task's
// life, and has another one finish.
func TestAKilledWorkerLosesNothing(t *testing.T) {
	t.Parallel()
	const lease = 2 * time.Second
	var mu sync.Mutex
	rows := make(map[string]string)
	t.Run("killed", func(t *testing.T) {
		for _, d := range deaths {
			t.Run(d.when, func(t *testing.T) {
				t.Parallel()
				row := d.test(t, lease)
				mu.Lock()
				defer mu.Unlock()
				rows[d.when] = row
			})
		}
	})
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-46s %9s  %-10s %s\n", "killed", "recovered", "ends", "runs of each task")
	for _, d := range deaths {
		fmt.Fprintf(&table, "%-46s %s\n", d.when, rows[d.when])
	}
	t.Log(table.String())
}

// beside is how many tasks the victim may have begun besides the one it dies for: as
// many as it runs at once, when that one gives its place up.
func (d death) beside() int {
	switch d.point {
	case workers.PointRecorded, workers.PointSent, workers.PointFilled, workers.PointCleared, workers.PointSettling:
		return 1
	}
	return 0
}

// test kills the only worker, and gives its row of the table.
func (d death) test(t *testing.T, lease time.Duration) string {
	t.Helper()
	y := newYard(t, embeddedtest.Listen(t).Connect(t), workers.Config{Lease: lease})
	ends := y.watchEnds()
	victim := y.hire(order{Name: "victim", Concurrency: 1, Point: d.point, Nth: d.nth})
	if d.apply == nil {
		d.apply = (*yard).applyChord
	}
	finish := make(chan struct{})
	go func() {
		defer close(finish)
		d.apply(y)
	}()
	victim.await(y.ctx)
	died := time.Now()
	stop := y.work(workers.WorkerConfig{Name: "heir", Concurrency: 4, Queues: []string{"celery", "elsewhere"}})
	<-finish
	took := time.Since(died)
	tasks := 0
	for what := range d.want {
		if !strings.HasSuffix(what, "-first") {
			tasks++
		}
	}
	y.untilEmpty("celery")
	y.untilEmpty("elsewhere")
	y.untilEmpty("warren.later")
	stop()
	got := ends.await(tasks)
	y.wantEffectsAgain(d.want, d.beside())
	if took > lease+3*time.Second {
		t.Errorf("recovered after %v, want a lease of %v and little more", took, lease)
	}
	for id, states := range got {
		if len(states) != 1 || states[0] != workers.Succeeded {
			t.Errorf("task %s ended as %v, want one SUCCESS", id, states)
		}
	}
	return fmt.Sprintf("%8.1fs  %d SUCCESS  %v", took.Seconds(), len(got), y.effects())
}

func (y *yard) applyChord() {
	member := func(what string, n int) workers.Sig[int] {
		return y.count.S(what, n).Link(y.tell.P("callback-" + what))
	}
	got, err := workers.Chord(workers.Group(member("a", 1), member("b", 2)), y.sum.P()).Run(y.ctx)
	if got != 3 || err != nil {
		y.Errorf("the chord gave %d, %v; want 3", got, err)
	}
}

func (y *yard) applyLongChain() {
	step := workers.Skip[int](y.count.S("step", 1))
	got, err := workers.Repeat(y.count.S("step", 1), step, 29).Run(y.ctx)
	if got != 1 || err != nil {
		y.Errorf("the chain gave %d, %v; want 1", got, err)
	}
	y.wantNoSteps()
}

// wantNoSteps wants the steps of chains to be forgotten.
func (y *yard) wantNoSteps() {
	y.Helper()
	y.shop.until("the steps are forgotten", func() bool { return len(y.chains()) == 0 })
}

func (y *yard) applyFlaky() {
	if got, err := y.flaky.S("flaky", 7).Run(y.ctx); got != 7 || err != nil {
		y.Errorf("the task gave %d, %v; want 7", got, err)
	}
}

func (y *yard) applyLater() {
	got, err := y.count.S("later", 7).Run(y.ctx, workers.Countdown(200*time.Millisecond), workers.Queue("elsewhere"))
	if got != 7 || err != nil {
		y.Errorf("the task gave %d, %v; want 7", got, err)
	}
}

// applyForeign has a client of Celery send a task with an ETA that is over before the
// task comes again, so that it comes twice.
func (y *yard) applyForeign() {
	celery := newCeleryClient(&y.shop, y.conn)
	eta := time.Now().Add(500 * time.Millisecond).UTC().Format(celeryTime)
	celery.send(celeryMessage("foreign", "count", `["later", 7]`, streams.Table{"eta": eta}))
	if f := celery.fate("foreign"); string(f.Result) != "7" {
		y.Errorf("the task came to %+v, want 7", f)
	}
}

func (y *yard) applyIgnored() {
	first := y.who.S("ignored").With(workers.IgnoreResult()).Link(y.told.P("callback"))
	got, err := workers.Chain2(first, y.told.P("next")).Run(y.ctx)
	if got != "victim" || err != nil {
		y.Errorf("the chain gave %q, %v; want the result of the victim", got, err)
	}
}

// ends are the last records of tasks, as often as they were written.
type ends struct {
	y    *yard
	mu   sync.Mutex
	of   map[string][]workers.State
	news chan struct{}
}

// tasks opens the store of tasks.
func (y *yard) tasks() *streams.Store {
	y.Helper()
	s, err := streams.Open(y.ctx, y.nc, streams.Config{})
	if err != nil {
		y.Fatal(err)
	}
	y.Cleanup(func() { _ = s.Close(y.ctx) })
	store, err := s.DeclareStore(y.ctx, "tasks", streams.StoreOptions{})
	if err != nil {
		y.Fatal(err)
	}
	return store
}

// states are those of all tasks.
func (y *yard) states() map[string]workers.State {
	y.Helper()
	list := make(map[string]workers.State)
	err := y.tasks().Range(y.ctx, "task.*.*.state", func(e streams.Entry) bool {
		list[e.Key] = stateOf(e)
		return true
	})
	if err != nil {
		y.Fatal(err)
	}
	return list
}

// stateOf is what a record says; "" of one that is none.
func stateOf(e streams.Entry) workers.State {
	var rec struct {
		Status workers.State `json:"status"`
	}
	_ = json.Unmarshal(e.Value, &rec)
	return rec.Status
}

// watchEnds notes every end that is recorded from now on.
func (y *yard) watchEnds() *ends {
	y.Helper()
	e := &ends{y: y, of: make(map[string][]workers.State), news: make(chan struct{}, 1)}
	if _, err := y.tasks().Notify(y.ctx, "task.*.*.state", e.told); err != nil {
		y.Fatal(err)
	}
	return e
}

func (e *ends) told(entry streams.Entry) {
	state := stateOf(entry)
	if !state.Ready() {
		return
	}
	e.mu.Lock()
	e.of[entry.Key] = append(e.of[entry.Key], state)
	e.mu.Unlock()
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// await waits until so many tasks have ended.
func (e *ends) await(n int) map[string][]workers.State {
	e.y.Helper()
	for {
		e.mu.Lock()
		if len(e.of) >= n {
			defer e.mu.Unlock()
			return e.of
		}
		e.mu.Unlock()
		select {
		case <-e.news:
		case <-e.y.ctx.Done():
			e.y.Fatalf("ended: %v; want %d tasks", e.of, n)
		}
	}
}

// TestChain_AKilledWorkerHasGivenUpAStep: it dies when the steps that ended with it are
// cleared away. They are in the dead letter, and stay there.
func TestChain_AKilledWorkerHasGivenUpAStep(t *testing.T) {
	t.Parallel()
	y := newYard(t, embeddedtest.Listen(t).Connect(t), workers.Config{Lease: 2 * time.Second})
	victim := y.hire(order{Name: "victim", Concurrency: 1, Point: workers.PointCleared})
	step := workers.Skip[int](y.count.S("step", 1))
	behind := step
	for range 19 {
		behind = workers.Pipe(behind, step)
	}
	r := apply(&y.shop, workers.Chain3(workers.Repeat(y.count.S("step", 1), step, 9), workers.Skip[int](y.sulky.S("sulky", 1)), behind))
	victim.await(y.ctx)
	y.wantNoSteps()
	y.work(workers.WorkerConfig{Name: "heir"})
	if _, err := r.Get(y.ctx); err == nil {
		t.Error("the chain has not failed")
	}
	y.untilEmpty("celery")
	list := dead(&y.shop)
	if len(list) != 1 {
		t.Fatalf("%d dead letters, want one", len(list))
	}
	replay(&y.shop, list[0].ID)
	if got, err := again(&y.shop, r.ID()); got != 1 || err != nil {
		t.Errorf("the chain gave %d, %v; want 1", got, err)
	}
	y.wantNoSteps()
	y.wantEffects(map[string]int{"step": 30, "sulky-first": 1, "sulky": 1})
}
