package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// chain are the keys at which the steps of chains are kept.
func (s *shop) chains() []string {
	s.Helper()
	list, err := s.store().Keys(s.ctx, "chain.*.page.*")
	if err != nil {
		s.Fatal(err)
	}
	return list
}

// store is that of tasks.
func (s *shop) store() *streams.Store {
	s.Helper()
	store, err := s.session().DeclareStore(s.ctx, "tasks", streams.StoreOptions{TTL: 30 * 24 * time.Hour})
	if err != nil {
		s.Fatal(err)
	}
	return store
}

// steps are n steps that each add one.
func (s *shop) steps(n int) workers.Step[int, int] {
	all := s.add.P(1)
	for range n - 1 {
		all = workers.Pipe(all, s.add.P(1))
	}
	return all
}

// traffic counts the messages of the task queue, and their bytes.
type traffic struct{ count, bytes, largest atomic.Int64 }

func countTraffic(t *testing.T, nc *nats.Conn) *traffic {
	t.Helper()
	tr := new(traffic)
	_, err := nc.Subscribe("warren.q.celery", func(m *nats.Msg) {
		size := int64(len(m.Data))
		for name, values := range m.Header {
			size += int64(len(name) + len(strings.Join(values, "")))
		}
		tr.count.Add(1)
		tr.bytes.Add(size)
		tr.largest.Store(max(tr.largest.Load(), size))
	})
	must(t, err)
	return tr
}

// TestChain_MessagesDoNotGrow: the steps of a long chain are kept once, also of chords,
// and forgotten at its end.
func TestChain_MessagesDoNotGrow(t *testing.T) {
	t.Parallel()
	s := open(t)
	tr := countTraffic(t, s.conn)
	for what, sig := range map[string]workers.Sig[int]{
		"a chain":           workers.Repeat(s.add.S(0, 0), s.add.P(1), 300),
		"a chain of chords": workers.Chain2(chordsInARow(s, 60), s.add.P(300-3*60)),
		"a chord at first": workers.Chain3(
			workers.Group(s.add.S(1, 1), s.add.S(-1, -1)), s.xsum.P(), s.steps(300)),
		"in a chord": workers.Chord(workers.Group(
			workers.Repeat(s.add.S(0, 0), s.add.P(1), 100), workers.Repeat(s.add.S(0, 0), s.add.P(1), 100),
			workers.Repeat(s.add.S(0, 0), s.add.P(1), 100)), s.xsum.P()),
	} {
		tr.largest.Store(0)
		if got := run(s, sig); got != 300 {
			t.Errorf("%s gave %d, want 300", what, got)
		}
		if n := tr.largest.Load(); n < 100 || n > 6<<10 {
			t.Errorf("%s: a message has %d bytes, want 6 kB at most", what, n)
		}
		s.until(what+" is forgotten", func() bool { return len(s.chains()) == 0 })
	}
}

// TestChain_CallbacksOfLongChains: a callback that is a long chain, and long chains of
// steps with callbacks of their own.
func TestChain_CallbacksOfLongChains(t *testing.T) {
	t.Parallel()
	s := open(t)
	told := workers.Pipe(workers.Pipe(workers.Skip[int](s.add.S(0, 0)), s.steps(60)), s.show.P("told"))
	if got := run(s, s.add.S(1, 1).Link(told)); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
	if notes := s.await(1); notes[0] != "60 told" {
		t.Errorf("noted %q, want 60 told", notes)
	}
	step := s.add.P(1).Link(s.show.P("step")).LinkError(s.onFail.P("never"))
	if got := run(s, workers.Repeat(s.add.S(0, 0), step, 40)); got != 40 {
		t.Errorf("got %d, want 40", got)
	}
	seen := make(map[string]int)
	for _, note := range s.await(41) {
		seen[note]++
	}
	for i := range 40 {
		if note := fmt.Sprintf("%d step", i+1); seen[note] != 1 {
			t.Errorf("%q was noted %d times, want once", note, seen[note])
		}
	}
}

// TestChain_ALateStepIsRetried: also long after it failed, and when it is replayed.
func TestChain_ALateStepIsRetried(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	moody, mended := s.moody()
	flaky := workers.Func1(s.App, "flaky", func(ctx context.Context, x int) (int, error) {
		if r, _ := workers.RequestOf(ctx); r.Retries < 2 {
			return 0, errKnown
		}
		return x, nil
	}, workers.Retry(workers.RetryPolicy{Max: 2, Delay: 10 * time.Millisecond}))
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	onFail := s.onFail.P("failed")
	r := apply(s, workers.Chain5(workers.Repeat(s.add.S(0, 0), s.add.P(1), 50), flaky.P(), s.steps(50), moody.P().LinkError(onFail), s.steps(50)))
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Fatalf("got %v, want the known error", err)
	}
	if notes := s.await(1); notes[0] != "failed: moody a known error" {
		t.Errorf("noted %q", notes)
	}
	s.until("what is kept is in the dead letter", func() bool { return len(s.chains()) == 0 })
	for h := r.Parent(); ; h = h.Parent() {
		state, err := h.State(s.ctx)
		must(t, err)
		if state == workers.Succeeded {
			break
		}
		if state != workers.Failed {
			t.Fatalf("step %s is %s, want %s", h.ID(), state, workers.Failed)
		}
	}
	mended.Store(true)
	list := dead(s)
	if len(list) != 1 {
		t.Fatalf("%d dead letters, want one", len(list))
	}
	replay(s, list[0].ID)
	if n, err := again(s, r.ID()); n != 1050 || err != nil {
		t.Errorf("got %d, %v, want 1050", n, err)
	}
	s.until("the steps are forgotten", func() bool { return len(s.chains()) == 0 })
}

// TestChain_ReplayOfAMemberBeforeALongChain: what follows a group of which a member has
// failed is kept for as long as that can be replayed.
func TestChain_ReplayOfAMemberBeforeALongChain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	moody, mended := s.moody()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	r := apply(s, workers.Chain4(s.add.S(0, 0), workers.GroupOf(moody.P(), s.add.P(1)), s.xsum.P(), s.steps(50)))
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Fatalf("got %v, want the known error", err)
	}
	is(s, r.Parent().Parent(), workers.Failed)
	mended.Store(true)
	s.until("it is kept", func() bool { return len(dead(s)) == 1 })
	replay(s, dead(s)[0].ID)
	if n, err := again(s, r.ID()); n != 51 || err != nil {
		t.Errorf("got %d, %v, want 51", n, err)
	}
	s.until("the steps are forgotten", func() bool { return len(s.chains()) == 0 })
}

// TestChain_RevokedInTheMiddle ends all steps, those that are kept apart among them.
func TestChain_RevokedInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	begun, hold := make(chan struct{}), make(chan struct{})
	wait := workers.Func1(s.App, "wait", func(ctx context.Context, x int) (int, error) {
		close(begun)
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return x, ctx.Err()
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	r := apply(s, workers.Chain3(workers.Repeat(s.add.S(0, 0), s.add.P(1), 20), wait.P(), s.steps(100)))
	<-begun
	must(t, r.Revoke(s.ctx))
	if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrRevoked) {
		t.Errorf("got %v, want that it was revoked", err)
	}
	close(hold)
	s.until("the steps are forgotten", func() bool { return len(s.chains()) == 0 })
	for h, n := r.Parent(), 0; n < 99; h, n = h.Parent(), n+1 {
		is(s, h, workers.Revoked)
	}
}

// TestChain_OfStepsThatAreOverAtOnce: groups of none, of which a whole page may be.
func TestChain_OfStepsThatAreOverAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{}.Travel(1))
	s.work(workers.WorkerConfig{})
	none := workers.Chord(workers.Group[int](), s.xsum.P())
	sig := workers.Chain3(none, workers.Skip[int](none), workers.Skip[int](workers.Chain2(s.ident.S(7), workers.Skip[int](none))))
	if got := run(s, sig); got != 0 {
		t.Errorf("got %d, want 0", got)
	}
	ends := workers.Chain3(s.ident.S(1), s.steps(3), workers.GroupOf[int, int]())
	if got, err := ends.Run(s.ctx); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v, want none", got, err)
	}
	s.until("the steps are forgotten", func() bool { return len(s.chains()) == 0 })
}

// held is a long chain whose first part waits until it is released.
type held struct {
	*shop
	release chan struct{}
	result  *workers.Result[int]
	ran     *atomic.Int64
}

func holdChain(t *testing.T) held {
	t.Helper()
	s := newShop(t)
	h := held{shop: s, release: make(chan struct{}), ran: new(atomic.Int64)}
	begun := make(chan struct{}, 100)
	wait := workers.Func1(s.App, "wait", func(ctx context.Context, x int) (int, error) {
		h.ran.Add(1)
		begun <- struct{}{}
		select {
		case <-h.release:
		case <-ctx.Done():
		}
		return x, ctx.Err()
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	h.result = apply(s, workers.Chain3(s.ident.S(7), wait.P().LinkError(s.onFail.P("told")), s.steps(100)))
	<-begun
	if len(s.chains()) < 10 {
		t.Fatalf("kept are %q, want the steps of a chain", s.chains())
	}
	return h
}

// wantEnd wants that the chain has ended for a reason, and the worker goes on.
func (h held) wantEnd(t *testing.T, reason string) {
	t.Helper()
	close(h.release)
	_, err := h.result.Get(h.ctx)
	var f *workers.Failure
	if !errors.As(err, &f) || !strings.Contains(f.Message, reason) {
		t.Errorf("the chain ended with %v, want %q", err, reason)
	}
	h.until("it is a dead letter", func() bool { return len(dead(h.shop)) > 0 })
	for _, l := range dead(h.shop) {
		if !strings.Contains(l.Failure.Message, reason) {
			t.Errorf("a dead letter says %q, want %q", l.Failure.Message, reason)
		}
		if err := h.Replay(h.ctx, l.ID); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("it is replayed with %v, want %q", err, reason)
		}
	}
	settled(h.shop, "celery")
	if got := run(h.shop, h.add.S(1, 1)); got != 2 {
		t.Errorf("another task gave %d, want 2", got)
	}
}

// TestChain_WhoseStepsAreLost ends with a reason where the lost ones would begin, tells
// who waits for its end, and is not tried for ever.
func TestChain_WhoseStepsAreLost(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		lose func(*testing.T, *streams.Store, string) error
		want string
	}{
		"deleted": {func(t *testing.T, s *streams.Store, key string) error { t.Helper(); return s.Delete(t.Context(), key) }, "not kept any more"},
		"expired": {func(t *testing.T, s *streams.Store, key string) error {
			t.Helper()
			e, err := s.Get(t.Context(), key)
			must(t, err)
			_, err = s.Put(t.Context(), streams.Put{Key: key, Value: e.Value, TTL: time.Second})
			until(t, "it expires", func() bool { _, err := s.Get(t.Context(), key); return err != nil })
			return err
		}, "not kept any more"},
		"damaged": {func(t *testing.T, s *streams.Store, key string) error {
			t.Helper()
			_, err := s.Put(t.Context(), streams.Put{Key: key, Value: []byte(`{"id":`)})
			return err
		}, "read page"},
		"another's": {func(t *testing.T, s *streams.Store, key string) error {
			t.Helper()
			_, err := s.Put(t.Context(), streams.Put{Key: key, Value: []byte(`{"id":"other","page":3,"rest":[{"task":"add"}]}`)})
			return err
		}, "read page"},
		"kept where nothing is": {func(t *testing.T, s *streams.Store, key string) error {
			t.Helper()
			id := strings.Split(key, ".")[1]
			page := key[strings.LastIndex(key, ".")+1:]
			_, err := s.Put(t.Context(), streams.Put{Key: key, Value: fmt.Appendf(nil, `{"id":%q,"page":%s,"at":{"id":"x","size":9,"pieces":1}}`, id, page)})
			return err
		}, "not kept any more"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h := holdChain(t)
			for _, key := range h.chains() {
				if strings.HasSuffix(key, ".3") {
					must(t, test.lose(t, h.store(), key))
				}
			}
			h.wantEnd(t, test.want)
			if n := h.ran.Load(); n != 1 {
				t.Errorf("the step before ran %d times, want once", n)
			}
		})
	}
}

// TestChain_OfAnEarlierVersion carries all its steps.
func TestChain_OfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	s := open(t)
	tr := countTraffic(t, s.conn)
	var rest []string
	for i := 100; i > 0; i-- {
		rest = append(rest, fmt.Sprintf(`{"task":"add","args":[1],"kwargs":{},"options":{"task_id":"step-%d","queue":"celery"},"subtask_type":null,"immutable":false}`, i))
	}
	m := streams.Message{
		ContentType: "application/json", ContentEncoding: "utf-8", CorrelationID: "first",
		Headers: streams.Table{"lang": "go", "task": "add", "id": "first", "root_id": "first", "retries": int64(0), "warren_queue": "celery"},
		Body:    fmt.Appendf(nil, `[[0,0],{},{"callbacks":null,"errbacks":null,"chain":[%s],"chord":null}]`, strings.Join(rest, ",")),
	}
	must(t, s.session().Publish(s.ctx, "", "celery", m, streams.Mandatory))
	celery := newCeleryClient(s, s.conn)
	if f := celery.fate("step-100"); string(f.Result) != "100" {
		t.Errorf("the chain came to %+v, want 100", f)
	}
	if n := tr.bytes.Load(); n > 500_000 {
		t.Errorf("%d messages have %d bytes, want 500 kB at most", tr.count.Load(), n)
	}
	s.until("the steps are forgotten", func() bool { return len(s.chains()) == 0 })
}

// celeryHand is what a worker of Celery does with a task whose result is x: it sends the
// next step of what its chain says, with the rest of that.
func celeryHand(t *testing.T, m streams.Message, x int) (streams.Message, bool) {
	t.Helper()
	var args []json.RawMessage
	var embed struct {
		Chain []struct {
			Task    string            `json:"task"`
			Args    []json.RawMessage `json:"args"`
			Kwargs  json.RawMessage   `json:"kwargs"`
			Options struct {
				ID      string         `json:"task_id"`
				Queue   string         `json:"queue"`
				Headers map[string]any `json:"headers"`
			} `json:"options"`
		} `json:"chain"`
	}
	body := []any{&args, new(json.RawMessage), &embed}
	must(t, json.Unmarshal(m.Body, &body))
	if len(embed.Chain) == 0 {
		return m, false
	}
	var raw []json.RawMessage
	var parts []json.RawMessage
	must(t, json.Unmarshal(m.Body, &parts))
	var whole map[string]json.RawMessage
	must(t, json.Unmarshal(parts[2], &whole))
	must(t, json.Unmarshal(whole["chain"], &raw))
	last := len(raw) - 1
	next := embed.Chain[last]
	list, err := json.Marshal(append([]json.RawMessage{fmt.Append(nil, x)}, next.Args...))
	must(t, err)
	out := celeryMessage(next.Options.ID, next.Task, string(list), streams.Table{"root_id": m.Headers["root_id"], "parent_id": m.Headers["id"]})
	for name, value := range next.Options.Headers {
		out.Headers[name] = value
	}
	rest, err := json.Marshal(raw[:last])
	must(t, err)
	out.Body = fmt.Appendf(nil, `[%s, %s, {"callbacks": null, "errbacks": null, "chain": %s, "chord": null}]`, list, next.Kwargs, rest)
	return out, true
}

// TestChain_ThroughAWorkerOfCelery: it cannot read where steps are kept. It runs those
// that travel, and hands back to a worker of Warren's what follows them.
func TestChain_ThroughAWorkerOfCelery(t *testing.T) {
	t.Parallel()
	for what, hands := range map[string]int{"one step": 1, "all that travel": 100} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.connect(embeddedtest.Connect(t), workers.Config{})
			r := apply(s, workers.Repeat(s.add.S(0, 0), s.add.P(1), 60))
			session := s.session()
			d, ok, err := session.Get(s.ctx, "celery", streams.AutoAck)
			if err != nil || !ok {
				t.Fatalf("the first step: %v, %v", ok, err)
			}
			m, x := d.Message, 0
			for i := 0; i < hands; i++ {
				next, ok := celeryHand(t, m, x)
				if !ok {
					t.Fatal("the chain ends")
				}
				m = next
				if m.Headers["task"] != "add" {
					if m.Headers["task"] != "warren.chain" {
						t.Errorf("the last step that travels is %q", m.Headers["task"])
					}
					break
				}
				x++
			}
			if x == 0 {
				t.Error("no step travels")
			}
			must(t, session.Publish(s.ctx, "", "celery", m, streams.Mandatory))
			s.work(workers.WorkerConfig{})
			if got, err := r.Get(s.ctx); got != 60 || err != nil {
				t.Errorf("the chain gave %d, %v; want 60", got, err)
			}
			s.until("the steps are forgotten", func() bool { return len(s.chains()) == 0 })
		})
	}
}

// TestChain_AStepIsAGroupOfLargeCalls: a step that no message can carry.
func TestChain_AStepIsAGroupOfLargeCalls(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	length := workers.Func2(s.App, "length", func(_ context.Context, x int, text string) (int, error) { return x + len(text), nil })
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	members := make([]workers.Step[int, int], 60)
	for i := range members {
		members[i] = length.P(strings.Repeat("x", 20_000))
	}
	if got := run(s, workers.Chain3(s.add.S(0, 1), workers.GroupOf(members...), s.xsum.P())); got != 60*20_001 {
		t.Errorf("got %d, want %d", got, 60*20_001)
	}
	s.until("the steps are forgotten", func() bool { return len(s.chains()) == 0 })
}

// TestChain_ThatTakesLong: what is kept of it is kept for as long as it takes, and what
// nobody takes up again expires.
func TestChain_ThatTakesLong(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		s := newShop(t)
		ctx, cancel := context.WithTimeout(context.Background(), 48*time.Hour)
		defer cancel()
		s.ctx = ctx
		slow := workers.Func1(s.App, "slow", func(ctx context.Context, x int) (int, error) {
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
			}
			return x + 1, ctx.Err()
		})
		s.connect(embeddedtest.Connect(t), workers.Config{}.Travel(500).Keep(3*time.Minute))
		stop := s.work(workers.WorkerConfig{})
		if got := run(s, workers.Repeat(slow.S(0), slow.P(), 19)); got != 20 {
			t.Errorf("the chain gave %d, want 20", got)
		}
		r := apply(s, workers.Repeat(slow.S(0), slow.P(), 19))
		time.Sleep(90 * time.Second)
		stop()
		if len(s.chains()) == 0 {
			t.Error("nothing is kept of a chain that has begun")
		}
		time.Sleep(6 * time.Minute)
		if list := s.chains(); len(list) > 0 {
			t.Errorf("kept are %q, want none after their time", list)
		}
		s.work(workers.WorkerConfig{})
		_, err := r.Get(s.ctx)
		var f *workers.Failure
		if !errors.As(err, &f) || !strings.Contains(f.Message, "not kept any more") {
			t.Errorf("the chain ended with %v, want that it is not kept any more", err)
		}
	})
}
