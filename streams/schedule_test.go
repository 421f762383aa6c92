package streams_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// later publishes a persistent message for later.
func (r rig) later(in time.Duration, queue, id, body string) {
	r.Helper()
	m := streams.Message{Body: []byte(body), DeliveryMode: streams.Persistent}
	must(r, r.PublishAt(r.ctx, time.Now().Add(in), queue, id, m))
}

// scheduled lists what waits, "id body" by id.
func (r rig) scheduled(queue string) []string {
	r.Helper()
	list := []string{}
	for one, err := range r.Scheduled(r.ctx, queue) {
		must(r, err)
		list = append(list, one.ID+" "+string(one.Body))
	}
	slices.Sort(list)
	return list
}

func (r rig) wantScheduled(queue string, want int) {
	r.Helper()
	info, err := r.InspectQueue(r.ctx, queue)
	must(r, err)
	if info.Scheduled != want {
		r.Errorf("queue %q has %d messages scheduled, want %d", queue, info.Scheduled, want)
	}
}

func TestAMessageForLaterComesAtItsTime(t *testing.T) {
	for _, durable := range []bool{true, false} {
		t.Run(fmt.Sprintf("durable %t", durable), func(t *testing.T) {
			embeddedtest.Bubble(t, func(t *testing.T) {
				r := newRig(t, embeddedtest.Connect(t), streams.Config{})
				r.ctx = context.Background()
				q := r.queue(streams.Queue{Name: "q", Durable: durable, Schedules: true})
				next := r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: 1}))
				start := time.Now()
				for _, in := range []time.Duration{20 * time.Minute, 10 * time.Second, 1234567 * time.Microsecond, -time.Hour} {
					r.later(in, q, in.String(), in.String())
				}
				for _, in := range []time.Duration{0, 1234567 * time.Microsecond, 10 * time.Second, 20 * time.Minute} {
					d := r.take(next, 1)[0]
					if late := time.Since(start.Add(in)); late < 0 || late > 250*time.Millisecond {
						t.Errorf("%s came %v after its time, want 0 to 250ms", d.Body, late)
					}
					must(t, d.Ack())
				}
				r.wantCounts(q, 0, 0, 1)
				r.wantScheduled(q, 0)
			})
		})
	}
}

func TestAMessageForLaterComesAsItWasPublished(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
	messages := []streams.Message{
		{},
		{Body: []byte("only a body")},
		{
			ContentType: "text/plain", ContentEncoding: "utf-8", DeliveryMode: streams.Persistent, Priority: 3,
			CorrelationID: "c", ReplyTo: "r", MessageID: "m", Timestamp: time.Unix(1700000000, 0).UTC(),
			Type: "t", UserID: "u", AppID: "a", ClusterID: "k", Body: []byte("all"),
			Headers: streams.Table{"n": int64(1), "Nats-Schedule": "mine", "Amqp-Epoch": "mine", "s": "ü\n"},
		},
		{Zero: streams.PropertyPriority | streams.PropertyType},
	}
	next := r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: 1}))
	for i := range messages {
		must(t, r.Publish(r.ctx, "", q, messages[i]))
		now := r.take(next, 1)[0]
		must(t, now.Ack())
		must(t, r.PublishAt(r.ctx, time.Now(), q, strconv.Itoa(i), messages[i]))
		later := r.take(next, 1)[0]
		must(t, later.Ack())
		if !reflect.DeepEqual(later.Message, now.Message) {
			t.Errorf("message %d for later is %+v, want %+v", i, later.Message, now.Message)
		}
		if later.Exchange != now.Exchange || later.Key != now.Key || later.Redelivered {
			t.Errorf("message %d for later has exchange %q, key %q, redelivered %t; want %q, %q, false",
				i, later.Exchange, later.Key, later.Redelivered, now.Exchange, now.Key)
		}
	}
}

func TestTheLastMessageOfAnIDWaits(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		r := newRig(t, embeddedtest.Connect(t), streams.Config{})
		r.ctx = context.Background()
		q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
		r.later(time.Minute, q, "a", "first")
		r.later(10*time.Minute, q, "a", "second")
		r.later(10*time.Minute, q, "b", "other")
		r.wantScheduled(q, 2)
		wantBodies(t, r.scheduled(q), "a second", "b other")
		pause(t, 2*time.Minute)
		wantBodies(t, r.drain(q))
		p, err := r.Publisher(streams.PublisherOptions{})
		must(t, err)
		for i := range 100 {
			m := streams.Message{Body: []byte(strconv.Itoa(i))}
			if _, err := p.PublishAt(r.ctx, time.Now().Add(10*time.Minute), q, "a", m); err != nil {
				t.Fatal(err)
			}
		}
		must(t, p.Flush(r.ctx))
		wantBodies(t, r.scheduled(q), "a 99", "b other")
		pause(t, 10*time.Minute+time.Second)
		got := r.drain(q)
		slices.Sort(got)
		wantBodies(t, got, "99", "other")
		r.wantScheduled(q, 0)
	})
}

func TestUnscheduleTakesBackWhatWaits(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		r := newRig(t, embeddedtest.Connect(t), streams.Config{})
		r.ctx = context.Background()
		q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
		r.later(time.Minute, q, "a", "a")
		r.later(time.Minute, q, "b", "b")
		r.wantUnscheduled(q, "a", true)
		r.wantUnscheduled(q, "a", false)
		r.wantUnscheduled(q, "missing", false)
		r.wantScheduled(q, 1)
		pause(t, time.Minute-100*time.Millisecond)
		r.wantUnscheduled(q, "b", false) // it is on its way
		pause(t, time.Second)
		r.wantUnscheduled(q, "b", false)
		wantBodies(t, r.drain(q), "b")
	})
}

func (r rig) wantUnscheduled(queue, id string, want bool) {
	r.Helper()
	if got, err := r.Unschedule(r.ctx, queue, id); err != nil || got != want {
		r.Errorf("unschedule %q: got %t, %v; want %t", id, got, err, want)
	}
}

func TestWhatWaitsIsNotReady(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
	r.later(time.Hour, q, "a", "later")
	r.publish("", q, "one", "two")
	r.wantCounts(q, 2, 0, 0)
	r.wantScheduled(q, 1)
	d := r.get(q)
	r.wantCounts(q, 1, 1, 0)
	if count, err := r.PurgeQueue(r.ctx, q); err != nil || count != 1 {
		t.Errorf("purge: got %d, %v; want 1", count, err)
	}
	must(t, d.Ack())
	wantBodies(t, r.drain(q))
	r.wantScheduled(q, 1)
	list, err := r.Queues(r.ctx)
	must(t, err)
	if got := list[0]; !got.Schedules || got.Scheduled != 1 || got.Ready != 0 {
		t.Errorf("the list has a queue with schedules %t, %d scheduled, %d ready; want true, 1, 0", got.Schedules, got.Scheduled, got.Ready)
	}
	if _, err := r.DeleteQueue(r.ctx, q, streams.IfEmpty); !errors.Is(err, streams.ErrPreconditionFailed) {
		t.Errorf("delete a queue with something scheduled, if empty: %v, want 406", err)
	}
	if count, err := r.DeleteQueue(r.ctx, q); err != nil || count != 0 {
		t.Errorf("delete: got %d, %v; want 0", count, err)
	}
	r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
	r.wantScheduled(q, 0)
}

func TestWhatCannotBeScheduledIsRefused(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	later := r.queue(streams.Queue{Name: "later", Schedules: true})
	plain := r.queue(streams.Queue{Name: "plain"})
	now := time.Now()
	for _, c := range []struct {
		what      string
		at        time.Time
		queue, id string
		m         streams.Message
		want      error
		says      string
	}{
		{"no queue", now, "missing", "a", streams.Message{}, streams.ErrNotFound, "no queue 'missing'"},
		{"no name", now, "", "a", streams.Message{}, streams.ErrNotFound, "no queue is named"},
		{"no schedules", now, plain, "a", streams.Message{}, streams.ErrPreconditionFailed, "declare it with schedules"},
		{"no id", now, later, "", streams.Message{}, streams.ErrPreconditionFailed, "needs an id"},
		{"no time", time.Time{}, later, "a", streams.Message{}, streams.ErrPreconditionFailed, "needs a time"},
		{"too late", time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC), later, "a", streams.Message{}, streams.ErrPreconditionFailed, "one before 2262"},
		{"too large", now, later, "a", streams.Message{Body: make([]byte, nc.MaxPayload())}, streams.ErrPreconditionFailed, "larger than the server's limit"},
		{"long id", now, later, strings.Repeat("a", 256), streams.Message{}, nil, "256 bytes long"},
		{"not UTF-8", now, later, "\xff", streams.Message{}, nil, "not UTF-8"},
	} {
		err := r.PublishAt(r.ctx, c.at, c.queue, c.id, c.m)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("publish for later, %s: got %v; want %v and %q", c.what, err, c.want, c.says)
		}
	}
	for queue, want := range map[string]error{"missing": streams.ErrNotFound, plain: streams.ErrPreconditionFailed} {
		if _, err := r.Unschedule(r.ctx, queue, "a"); !errors.Is(err, want) {
			t.Errorf("unschedule of queue %q: got %v, want %v", queue, err, want)
		}
		for _, err := range r.Scheduled(r.ctx, queue) {
			if !errors.Is(err, want) {
				t.Errorf("list what is scheduled for queue %q: got %v, want %v", queue, err, want)
			}
		}
	}
	for _, q := range []streams.Queue{{Name: "later"}, {Name: "plain", Schedules: true}} {
		if _, err := r.DeclareQueue(r.ctx, q); !errors.Is(err, streams.ErrPreconditionFailed) {
			t.Errorf("declare %q with schedules %t: got %v, want 406", q.Name, q.Schedules, err)
		}
	}
	r.wantScheduled(later, 0)
}

func TestAnyIDAndAnyTimeUpTo2261(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: strings.Repeat("ü.", 85), Schedules: true})
	at := time.Date(2261, 12, 31, 23, 59, 59, 999999999, time.UTC)
	ids := []string{"a", "a.b", ".", "*", ">", "=", "=2E", " ", "\r\n\x00", "ü", strings.Repeat("✓", 85)}
	for _, id := range ids {
		must(t, r.PublishAt(r.ctx, at, q, id, streams.Message{Body: []byte(id)}))
	}
	seen := 0
	for one, err := range r.Scheduled(r.ctx, q) {
		must(t, err)
		if one.ID != ids[seen] || string(one.Body) != one.ID || !one.At.Equal(at) {
			t.Errorf("scheduled: got id %q, body %q, at %v; want %q at %v", one.ID, one.Body, one.At, ids[seen], at)
		}
		seen++
	}
	if seen != len(ids) {
		t.Errorf("%d messages are scheduled, want %d", seen, len(ids))
	}
	for _, id := range ids {
		r.wantUnscheduled(q, id, true)
	}
	r.wantScheduled(q, 0)
}

// TestLargestMessageForLater: what is just not refused goes through, also in the
// place of another one, which takes more headers.
func TestLargestMessageForLater(t *testing.T) {
	t.Parallel()
	const limit = 1 << 16
	r := newRig(t, embeddedtest.Start(t, embedded.Config{MaxPayload: limit}).Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
	largest := limit
	later := func(in time.Duration) error {
		at := time.Now().Truncate(time.Second).Add(in)
		return r.PublishAt(r.ctx, at, q, "a", streams.Message{Body: make([]byte, largest)})
	}
	err := later(time.Hour)
	for ; errors.Is(err, streams.ErrPreconditionFailed) && largest > 0; err = later(time.Hour) {
		largest--
	}
	must(t, err)
	must(t, later(0))
	if want := limit - 1024; largest < want {
		t.Errorf("the largest body is %d bytes, want %d at least", largest, want)
	}
	d := r.take(r.pull(r.consume(q, streams.ConsumeOptions{})), 1)[0]
	if len(d.Body) != largest {
		t.Errorf("a body of %d bytes came, want %d", len(d.Body), largest)
	}
}

// TestWhatIsTransientEndsWithTheBrokerWhileItWaits: also if its time comes when
// the broker is away, and whether or not it has come when a session is there.
func TestWhatIsTransientEndsWithTheBrokerWhileItWaits(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		r := newRig(t, server.Connect(t), streams.Config{})
		r.ctx = context.Background()
		q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
		r.queue(streams.Queue{Name: "transient", Schedules: true})
		r.later(time.Minute, "transient", "a", "ends with its queue")
		for _, in := range []time.Duration{time.Second, time.Minute, time.Hour} {
			r.later(in, q, "persistent "+in.String(), in.String())
			must(t, r.PublishAt(r.ctx, time.Now().Add(in), q, in.String(), streams.Message{Body: []byte("transient")}))
		}
		server.Stop(t)
		pause(t, 10*time.Second)
		server.Restart(t)
		r = newRig(t, server.Connect(t), streams.Config{})
		r.ctx = context.Background()
		if _, err := r.InspectQueue(r.ctx, "transient"); !errors.Is(err, streams.ErrNotFound) {
			t.Errorf("the transient queue after a restart: %v, want 404", err)
		}
		pause(t, time.Second)
		wantBodies(t, r.scheduled(q), "persistent 1h0m0s 1h0m0s", "persistent 1m0s 1m0s")
		wantBodies(t, r.drain(q), "1s")
		r.wantUnscheduled(q, time.Hour.String(), false)
		must(t, r.PublishAt(r.ctx, time.Now().Add(time.Second), q, "new", streams.Message{Body: []byte("of this life")}))
		pause(t, time.Minute)
		wantBodies(t, r.drain(q), "of this life", "1m0s")
		r.wantScheduled(q, 1)
	})
}

// consumeAll consumes until so many bodies came, and another moment, and says how
// often each of them did.
func (r rig) consumeAll(queue string, want int) map[string]int {
	r.Helper()
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	counts := make(map[string]int)
	c := r.consume(queue, streams.ConsumeOptions{Prefetch: 100})
	must(r, c.Run(ctx, func(d *streams.Delivery) {
		must(r, d.Ack())
		if counts[string(d.Body)]++; len(counts) == want {
			time.AfterFunc(time.Second, cancel)
		}
	}))
	if len(counts) != want {
		r.Errorf("%d messages came, want %d", len(counts), want)
	}
	return counts
}

func (r rig) wantOnce(counts map[string]int) {
	r.Helper()
	for body, count := range counts {
		if count != 1 {
			r.Errorf("message %s came %d times, want once", body, count)
		}
	}
}

// laterMany publishes "0" to "n-1" for later, each under an id of its own.
func (r rig) laterMany(queue string, n int, at func(i int) time.Time) {
	r.Helper()
	p, err := r.Publisher(streams.PublisherOptions{})
	must(r, err)
	for i := range n {
		body := strconv.Itoa(i)
		m := streams.Message{Body: []byte(body), DeliveryMode: streams.Persistent}
		if _, err := p.PublishAt(r.ctx, at(i), queue, body, m); err != nil {
			r.Fatal(err)
		}
	}
	must(r, p.Flush(r.ctx))
}

// TestWhatWaitsSurvivesTheBroker: what waits when the broker stops, or is killed,
// comes when it is back: what was due meanwhile, what comes due then, and what was
// just coming. It comes once, but for one that a broker that was killed was at.
func TestWhatWaitsSurvivesTheBroker(t *testing.T) {
	t.Parallel()
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("kill %t", kill), func(t *testing.T) {
			t.Parallel()
			server := embeddedtest.Process(t, embedded.Config{})
			r := newRig(t, server.Connect(t, nats.ReconnectWait(10*time.Millisecond)), streams.Config{})
			q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
			const total = 3000
			start := time.Now().Add(time.Second)
			r.laterMany(q, total, func(i int) time.Time { return start.Add(time.Duration(i%3) * time.Second) })
			for { // until some come
				info, err := r.InspectQueue(r.ctx, q)
				must(t, err)
				if info.Ready > 0 {
					break
				}
			}
			if kill {
				server.Kill(t)
			}
			server.Restart(t)
			twice := 0
			for _, count := range r.consumeAll(q, total) {
				twice += count - 1
			}
			if twice > 1 || twice > 0 && !kill {
				t.Errorf("%d messages came twice, want none but for one after a kill", twice)
			}
			r.wantScheduled(q, 0)
		})
	}
}

// TestManyComeAtOneInstant: none early, each once.
func TestManyComeAtOneInstant(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	const total = 10_000
	q, at := r.manyWait(total)
	var first, last time.Duration
	seen := make(map[string]int)
	ctx, cancel := context.WithCancel(r.ctx)
	c := r.consume(q, streams.ConsumeOptions{Prefetch: 256})
	must(t, c.Run(ctx, func(d *streams.Delivery) {
		must(t, d.Ack())
		last = time.Since(at)
		if len(seen) == 0 {
			first = last
		}
		if seen[string(d.Body)]++; len(seen) == total {
			cancel()
		}
	}))
	if first < 0 {
		t.Errorf("the first came %v early", -first)
	}
	r.wantOnce(seen)
	t.Logf("the first came after %v, the last of %d after %v", first, total, last)
}

// TestTakingBackRacesWithTheTime: what was taken back does not come, and all else
// does, when messages are taken back from before their time until after it, the last
// ones first, while the broker puts them into the queue, the first ones first.
func TestTakingBackRacesWithTheTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
	const total, takers = 4000, 4
	at := time.Now().Add(3 * time.Second)
	r.laterMany(q, total, func(int) time.Time { return at })
	sleepUntil(at.Add(-300 * time.Millisecond))
	var taking sync.WaitGroup
	var mu sync.Mutex
	taken := make(map[string]bool)
	for taker := range takers {
		taking.Go(func() {
			for i := total - 1 - taker; i >= 0; i -= takers {
				id := strconv.Itoa(i)
				was, err := r.Unschedule(r.ctx, q, id)
				if err != nil {
					t.Errorf("unschedule %s: %v", id, err)
				}
				if was {
					mu.Lock()
					taken[id] = true
					mu.Unlock()
				}
			}
		})
	}
	taking.Wait()
	t.Logf("%d of %d were taken back", len(taken), total)
	came := r.consumeAll(q, total-len(taken))
	r.wantOnce(came)
	for id := range taken {
		if came[id] > 0 {
			t.Errorf("%s was taken back and came", id)
		}
	}
	r.wantScheduled(q, 0)
}

func sleepUntil(at time.Time) {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	<-timer.C
}

// TestTakingAPlaceRacesWithTheTime: nothing is lost when a message takes the place
// of one that is just coming, and the last one always comes.
func TestTakingAPlaceRacesWithTheTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
	const ids, rounds = 300, 10
	came := make(map[string]int)
	var coming sync.WaitGroup
	ctx, cancel := context.WithCancel(r.ctx)
	var mu sync.Mutex
	c := r.consume(q, streams.ConsumeOptions{Prefetch: 100})
	complete := make(chan struct{})
	last := 0
	coming.Go(func() {
		must(t, c.Run(ctx, func(d *streams.Delivery) {
			must(t, d.Ack())
			mu.Lock()
			defer mu.Unlock()
			came[string(d.Body)]++
			if strings.HasSuffix(string(d.Body), "/"+strconv.Itoa(rounds-1)) {
				if last++; last == ids {
					close(complete)
				}
			}
		}))
	})
	p, err := r.Publisher(streams.PublisherOptions{})
	must(t, err)
	for round := range rounds {
		for i := range ids {
			id := strconv.Itoa(i)
			m := streams.Message{Body: []byte(id + "/" + strconv.Itoa(round)), DeliveryMode: streams.Persistent}
			if _, err := p.PublishAt(r.ctx, time.Now().Add(100*time.Millisecond), q, id, m); err != nil {
				t.Fatal(err)
			}
		}
		must(t, p.Flush(r.ctx))
	}
	select {
	case <-complete:
	case <-r.ctx.Done():
		t.Errorf("the last of %d ids came, want %d", last, ids)
	}
	cancel()
	coming.Wait()
	r.wantOnce(came)
	r.wantScheduled(q, 0)
	t.Logf("%d of %d came", len(came), ids*rounds)
}

// TestMessagesForLaterInACluster: what waits on three servers comes also when the
// leader of the queue has gone, and what was taken back or replaced does not.
func TestMessagesForLaterInACluster(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.Cluster(t, 3)
	r := newRig(t, nodes.Connect(t, nats.ReconnectWait(20*time.Millisecond)), streams.Config{Replicas: 3, Timeout: 20 * time.Second})
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	r.ctx = ctx
	q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
	const total, some = 300, 50
	at := time.Now().Add(5 * time.Second)
	r.laterMany(q, total, func(int) time.Time { return at })
	r.laterMany(q, some, func(int) time.Time { return at.Add(time.Second) })
	for i := total - some; i < total; i++ {
		r.wantUnscheduled(q, strconv.Itoa(i), true)
	}
	r.wantScheduled(q, total-some)
	stopLeader(t, nodes, "warren~q~q")
	came := r.consumeAll(q, total-some)
	for i := total - some; i < total; i++ {
		if id := strconv.Itoa(i); came[id] > 0 {
			t.Errorf("%s was taken back and came", id)
		}
	}
}

// manyWait has many messages wait for one instant, all of them at the same time:
// the instant is further away where publishing takes longer.
func (r rig) manyWait(total int) (queue string, at time.Time) {
	for lead := 5 * time.Second; ; lead *= 2 {
		q := r.queue(streams.Queue{Name: "in " + lead.String(), Durable: true, Schedules: true})
		at := time.Now().Add(lead)
		r.laterMany(q, total, func(int) time.Time { return at })
		waiting, err := r.InspectQueue(r.ctx, q)
		must(r, err)
		listed := 0
		for _, err := range r.Scheduled(r.ctx, q) {
			must(r, err)
			listed++
		}
		if time.Until(at) < time.Second {
			continue
		}
		if waiting.Scheduled != total || listed != total {
			r.Errorf("%d messages wait and %d are listed, want %d", waiting.Scheduled, listed, total)
		}
		return q, at
	}
}

func TestAnyTimeInThePastIsNow(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Schedules: true})
	for _, year := range []int{-5, 1, 1500, 1969, 1970, 2000} {
		body := strconv.Itoa(year)
		at := time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)
		must(t, r.PublishAt(r.ctx, at, q, body, streams.Message{Body: []byte(body)}))
	}
	r.wantOnce(r.consumeAll(q, 6))
}

func TestSchedulesAreExplained(t *testing.T) {
	t.Parallel()
	var steps []string
	explain := func(step streams.Step) { steps = append(steps, step.AMQP+": "+strings.Join(step.NATS, "; ")) }
	r := newRig(t, embeddedtest.Connect(t), streams.Config{Explain: explain})
	q := r.queue(streams.Queue{Name: "q", Schedules: true})
	r.later(time.Hour, q, "a.b", "")
	for i, want := range []string{"message schedules, subjects warren.q.q and warren.q.q.at.*.*", "warren.q.q.at.a=2Eb.*"} {
		if !strings.Contains(steps[i], want) {
			t.Errorf("step %d is %q, want %q in it", i, steps[i], want)
		}
	}
}

func TestAnExclusiveQueueMayHaveSchedules(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r, other := newRig(t, nc, streams.Config{}), newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Exclusive: true, Schedules: true})
	r.later(time.Hour, q, "a", "a")
	r.later(0, q, "b", "b")
	if _, err := other.Unschedule(other.ctx, q, "a"); !errors.Is(err, streams.ErrResourceLocked) {
		t.Errorf("unschedule for another session: got %v, want 405", err)
	}
	d := r.take(r.pull(r.consume(q, streams.ConsumeOptions{})), 1)[0]
	wantBodies(t, []string{string(d.Body)}, "b")
	r.wantUnscheduled(q, "a", true)
}

// TestUnschedule_TakesTooLong: what was taken back while its time came may have come, and
// nobody is told that it will not.
func TestUnschedule_TakesTooLong(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		late := &lateAnswers{server: server, to: "$JS.API.STREAM.MSG.DELETE.", by: 2 * time.Second}
		nc, err := nats.Connect("", nats.InProcessServer(late))
		must(t, err)
		t.Cleanup(nc.Close)
		r := newRig(t, nc, streams.Config{})
		r.ctx = context.Background()
		q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
		r.later(time.Second, q, "a", "a")
		was, err := r.Unschedule(r.ctx, q, "a")
		if was || err == nil || !strings.Contains(err.Error(), "may have come meanwhile") {
			t.Errorf("got %v and error %v, want that the message may have come", was, err)
		}
		r.later(time.Hour, q, "b", "b")
		r.wantUnscheduled(q, "b", true)
	})
}

// lateAnswers connects to a server; what is read after a request of a kind is late.
type lateAnswers struct {
	server *embeddedtest.Server
	to     string
	by     time.Duration
}

func (l *lateAnswers) InProcessConn() (net.Conn, error) {
	conn, err := l.server.InProcessConn()
	return &lateConn{Conn: conn, lateAnswers: l}, err
}

type lateConn struct {
	net.Conn
	*lateAnswers
	asked atomic.Bool
}

func (c *lateConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(c.to)) {
		c.asked.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *lateConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.asked.CompareAndSwap(true, false) {
		time.Sleep(c.by)
	}
	return n, err
}
