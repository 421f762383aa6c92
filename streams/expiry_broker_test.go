package streams_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// lasting publishes messages that may wait for a time, without waiting for each.
func (r rig) lasting(exchange, key string, expiration time.Duration, bodies ...string) {
	r.Helper()
	p, err := r.Publisher(streams.PublisherOptions{})
	if err != nil {
		r.Fatal(err)
	}
	for _, body := range bodies {
		m := streams.Message{Body: []byte(body), Expiration: strconv.FormatInt(expiration.Milliseconds(), 10)}
		if _, err := p.Publish(r.ctx, exchange, key, m); err != nil {
			r.Fatal(err)
		}
	}
	if err := p.Flush(r.ctx); err != nil {
		r.Fatal(err)
	}
}

// first receives one delivery of a consumer.
func first(r rig, c *streams.Consumer) *streams.Delivery {
	r.Helper()
	for d, err := range c.Deliveries(r.ctx) {
		if err != nil {
			r.Fatal(err)
		}
		return d
	}
	return nil
}

func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = strconv.Itoa(i)
	}
	return list
}

// TestExpiry_GetFindsTheFirstThatLives behind more than are dropped at once, in a home
// and in a view whose stream has others' messages in between.
func TestExpiry_GetFindsTheFirstThatLives(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	r.exchange("x", streams.Headers)
	for name, to := range map[string][2]string{"home": {"", "home"}, "view": {"amq.topic", "a.b"}, "matched": {"x", ""}} {
		q := r.queue(streams.Queue{Name: name})
		other := r.queue(streams.Queue{Name: name + "'s neighbour", MessageTTL: new(time.Hour)})
		switch name {
		case "view":
			r.bind("amq.topic", q, "a.*")
			r.bind("amq.topic", q, "*.b")
			r.bind("amq.topic", other, "#")
		case "matched":
			must(t, r.Bind(r.ctx, streams.Binding{Exchange: "x", Queue: q, Args: streams.Table{"not": nil, "x-match": "any"}}))
			must(t, r.Bind(r.ctx, streams.Binding{Exchange: "x", Queue: q, Args: streams.Table{"x-match": "all"}}))
			r.bind("x", other, "")
		}
		r.lasting(to[0], to[1], 0, many(2500)...)
		r.lasting(to[0], to[1], time.Hour, "lives")
		r.lasting(to[0], to[1], 0, "ended", "ended")
		d := r.get(q)
		if string(d.Body) != "lives" || d.MessageCount != 0 || d.Redelivered {
			t.Errorf("%s: got %q with %d behind it, redelivered %t", name, d.Body, d.MessageCount, d.Redelivered)
		}
		r.wantCounts(q, 0, 1, 0)
	}
	if n := len(r.drain("view's neighbour")); n != 1 {
		t.Errorf("the other queue of the exchange gave %d messages, want the one that lives", n)
	}
}

// TestExpiry_EachQueueHasItsOwn: the messages are stored once for both.
func TestExpiry_EachQueueHasItsOwn(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		r := newRig(t, embeddedtest.Connect(t), streams.Config{})
		soon := r.queue(streams.Queue{Name: "soon", MessageTTL: new(time.Second)})
		later := r.queue(streams.Queue{Name: "later"})
		r.bind("amq.fanout", soon, "")
		r.bind("amq.fanout", later, "")
		r.publish("amq.fanout", "", "1", "2")
		r.wantCounts(soon, 2, 0, 0)
		time.Sleep(1100 * time.Millisecond)
		r.wantCounts(soon, 0, 0, 0)
		r.wantCounts(later, 2, 0, 0)
		wantBodies(t, r.drain(later), "1", "2")
	})
}

// TestExpiry_IsSweptUnasked: what nobody asks for takes no room for long, but for a
// task of Celery that ended by itself, which waits for a worker.
func TestExpiry_IsSweptUnasked(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		r := newRig(t, nc, streams.Config{})
		js, err := jetstream.New(nc)
		must(t, err)
		stored := func(queue string) uint64 {
			stream, err := js.Stream(r.ctx, "warren~q~"+queue)
			must(t, err)
			return stream.CachedInfo().State.Msgs
		}
		for _, q := range []streams.Queue{{Name: "ttl", MessageTTL: new(time.Second)}, {Name: "own"}, {Name: "tasks"}} {
			r.queue(q)
		}
		r.number("ttl", 3)
		r.lasting("", "own", time.Second, "1", "2")
		r.publish("", "own", "lives")
		task := streams.Message{Expiration: "1000", Headers: streams.Table{"task": "tasks.add", "id": "an-id"}}
		must(t, r.Publish(r.ctx, "", "tasks", task))
		time.Sleep(900 * time.Millisecond)
		if n := stored("ttl"); n != 3 {
			t.Errorf("%d messages are stored before their time is over, want 3", n)
		}
		time.Sleep(15 * time.Second)
		for queue, want := range map[string]uint64{"ttl": 0, "own": 1, "tasks": 1} {
			if n := stored(queue); n != want {
				t.Errorf("queue %q: %d messages are stored, want %d", queue, n, want)
			}
		}
		c := r.consume("tasks", streams.ConsumeOptions{Prefetch: 1, IgnoreExpiration: true})
		d := first(r, c)
		if d.Expiration != "1000" {
			t.Errorf("got %+v, want the task", d.Message)
		}
		must(t, d.Ack())
	})
}

// TestExpiry_IgnoredByTheConsumer: its own expiration is, and the queue's TTL not.
func TestExpiry_IgnoredByTheConsumer(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		r := newRig(t, embeddedtest.Connect(t), streams.Config{})
		ttl := r.queue(streams.Queue{Name: "ttl", MessageTTL: new(time.Second)})
		none := r.queue(streams.Queue{Name: "none"})
		for _, q := range []string{ttl, none} {
			r.lasting("", q, 0, "ended")
			time.Sleep(1100 * time.Millisecond)
			r.lasting("", q, time.Hour, "last")
			c := r.consume(q, streams.ConsumeOptions{IgnoreExpiration: true})
			d := first(r, c)
			if want := map[string]string{ttl: "last", none: "ended"}[q]; string(d.Body) != want {
				t.Errorf("queue %q: got %q, want %q", q, d.Body, want)
			}
		}
	})
}

// TestExpiry_ZeroForWhoWaits: consumers that share a window wait, too, as far as it has
// room.
func TestExpiry_ZeroForWhoWaits(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	window, err := streams.NewWindow(2)
	must(t, err)
	came := make(chan *streams.Delivery, 10)
	for _, name := range []string{"a", "b"} {
		r.queue(streams.Queue{Name: name, MessageTTL: new(time.Duration)})
		r.publish("", name, "too soon")
		r.consume(name, streams.ConsumeOptions{Window: window, Push: func(d *streams.Delivery) { came <- d }})
	}
	for _, name := range []string{"a", "b"} { // a consumer may have what it passes over
		r.untilCounts(name, 0, 0, 1)
	}
	waiting(r, nc, "a", "b")
	for i, name := range []string{"a", "b", "a", "b"} {
		r.publish("", name, strconv.Itoa(i))
		r.untilCounts(name, 0, min(i/2+1, 1), 1)
	}
	one, two := next(r, came), next(r, came)
	wantBodies(t, slices.Sorted(slices.Values([]string{string(one.Body), string(two.Body)})), "0", "1") // for which there was room
	must(t, errors.Join(one.Ack(), two.Ack()))
	r.untilCounts("b", 0, 0, 1)
	waiting(r, nc, "b")
	r.publish("", "b", "last")
	if d := next(r, came); string(d.Body) != "last" {
		t.Errorf("got %q, want the last", d.Body)
	}
}

func TestExpiry_GoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	r := newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true, MessageTTL: new(time.Hour)})
	for _, m := range []streams.Message{{Expiration: "1"}, {Expiration: "1800000"}, {}} {
		m.DeliveryMode, m.Body = streams.Persistent, []byte(m.Expiration)
		must(t, r.Publish(r.ctx, "", q, m))
	}
	server.Restart(t)
	r = newRig(t, server.Connect(t), streams.Config{})
	info, err := r.InspectQueue(r.ctx, q)
	if err != nil || info.MessageTTL == nil || *info.MessageTTL != time.Hour || info.Ready != 2 {
		t.Errorf("got %+v, %v, want a TTL of an hour, and 2 messages", info, err)
	}
	wantBodies(t, r.drain(q), "1800000", "")
}

// TestExpiry_IsByTheBrokersClock, which stamps the messages.
func TestExpiry_IsByTheBrokersClock(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, time.Hour)
	r := newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", MessageTTL: new(time.Minute)})
	r.publish("", q, "1")
	r.lasting("", q, 0, "2")
	r.wantCounts(q, 2, 0, 0)
	wantBodies(t, r.drain(q), "1")
}

func TestExpiry_FieldsAndArguments(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	ttl := func(value any) streams.Table { return streams.Table{"x-message-ttl": value} }
	r.queue(streams.Queue{Name: "q", MessageTTL: new(time.Second)})
	for _, same := range []streams.Queue{
		{MessageTTL: new(time.Second)}, {Args: ttl(int16(1000))}, {Args: ttl(1000), MessageTTL: new(time.Second)},
	} {
		same.Name = "q"
		info, err := r.DeclareQueue(r.ctx, same)
		if err != nil || *info.MessageTTL != time.Second || info.Args["x-message-ttl"] != int64(1000) {
			t.Errorf("declare %+v again: got %+v, %v", same, info, err)
		}
	}
	for _, other := range []streams.Queue{
		{}, {MessageTTL: new(time.Minute)}, {MessageTTL: new(time.Duration)}, {MessageTTL: new(-time.Second)},
		{MessageTTL: new(time.Microsecond)}, {MessageTTL: new(time.Second), Args: ttl(2000)}, {Args: ttl("1000")},
	} {
		other.Name = "q"
		if _, err := r.DeclareQueue(r.ctx, other); !errors.Is(err, streams.ErrPreconditionFailed) {
			t.Errorf("declare %+v: got %v, want 406", other, err)
		}
	}
	queues, err := r.Queues(r.ctx)
	if err != nil || len(queues) != 1 || *queues[0].MessageTTL != time.Second {
		t.Errorf("listed %+v, %v", queues, err)
	}
}

// A session that looks for what has ended, while others take messages, takes none of those
// that were never given: it would come as if it had been given before.
func TestExpiration_LookingForItMarksNothing(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	r.exchange("news", streams.Headers)
	q := r.queue(streams.Queue{})
	must(t, r.Bind(r.ctx, streams.Binding{Exchange: "news", Queue: q, Args: streams.Table{"for": "us"}}))
	for _, post := range []struct{ body, reader string }{{"1", "them"}, {"2", "us"}, {"3", "us"}} {
		must(t, r.Publish(r.ctx, "news", "", streams.Message{
			Body: []byte(post.body), Headers: streams.Table{"for": post.reader},
		}))
	}
	var first *streams.Delivery
	must(t, streams.Sweep(r.ctx, newRig(t, nc, streams.Config{}).Session, q, func() { first = r.get(q) }))
	last := r.get(q)
	if string(last.Body) != "3" || last.Redelivered {
		t.Errorf("got %q, redelivered %v; want 3, for the first time", last.Body, last.Redelivered)
	}
	for _, d := range []*streams.Delivery{first, last} {
		must(t, d.Ack())
	}
}
