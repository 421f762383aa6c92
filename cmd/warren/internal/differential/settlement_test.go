package differential

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/streams/amqp091/amqptest"
)

// A trial is a test on one broker, and opens clients of it that are closed when
// it ends. Every name it uses contains the tag.
type trial struct {
	*testing.T
	tag     string
	connect func() client
}

func (t *trial) open() client {
	c := t.connect()
	t.Cleanup(func() { _ = c.close() })
	return c
}

// onBoth runs a test on Warren and, where there are any, on a RabbitMQ 3.10 and a 4.3:
// what it wants is so proven, not believed.
func onBoth(t *testing.T, test func(*trial)) {
	t.Helper()
	t.Parallel()
	t.Run("Warren", func(t *testing.T) {
		t.Parallel()
		nc := embeddedtest.Connect(t)
		test(&trial{t, "differential", func() client { return openWarren(t, nc, "settlement") }})
	})
	t.Run("Warren's AMQP port", func(t *testing.T) {
		t.Parallel()
		url := amqptest.Start(t).URL()
		test(&trial{t, "differential", func() client { return openRabbit(t, url) }})
	})
	onRabbit := func(name, variable, url string) {
		if url == "" {
			t.Logf("not run on a %s: %s names none", name, variable)
			return
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tag := "differential." + strings.ReplaceAll(t.Name(), "/", ".")
			test(&trial{t, tag, func() client { return openRabbit(t, url) }})
		})
	}
	onRabbit("RabbitMQ", "WARREN_AMQP_URL", rabbitURL())
	onRabbit("RabbitMQ 4.3", "WARREN_AMQP4_URL", rabbit4URL())
}

// moment is how long a test waits for what must not come.
const moment = 100 * time.Millisecond

// exclusive declares a queue that ends with its client.
func exclusive(tb testing.TB, b broker, name string) string {
	tb.Helper()
	want(tb, "declare", 0, second(b.declareQueue(streams.Queue{Name: name, Exclusive: true})))
	return name
}

func second[T any](_ T, err error) error { return err }

func want(tb testing.TB, what string, reply int, err error) {
	tb.Helper()
	if code(err) != reply {
		tb.Fatalf("%s: got %v, want reply code %d", what, err, reply)
	}
}

// send publishes messages of these bodies to a queue.
func send(tb testing.TB, b broker, queue string, bodies ...string) {
	tb.Helper()
	for _, body := range bodies {
		posts := []post{{key: queue, Message: streams.Message{Body: []byte(body)}}}
		want(tb, "publish", 0, b.publish("", posts)[0])
	}
}

func fetch(tb testing.TB, b broker, queue, body string, redelivered bool) *delivery {
	tb.Helper()
	d, err := b.get(queue, false)
	want(tb, "get", 0, err)
	wantDelivery(tb, d, body, redelivered)
	return d
}

func wantDelivery(tb testing.TB, d *delivery, body string, redelivered bool) {
	tb.Helper()
	got := "nothing"
	if d != nil {
		got = fmt.Sprintf("%s, redelivered %t", d.Body, d.redelivered)
	}
	if wanted := fmt.Sprintf("%s, redelivered %t", body, redelivered); got != wanted {
		tb.Fatalf("received %s, want %s", got, wanted)
	}
}

func wantNone(tb testing.TB, c consumer) {
	tb.Helper()
	if d := c.next(moment); d != nil {
		tb.Fatalf("received %s, want nothing", d.Body)
	}
}

func wantReady(tb testing.TB, b broker, queue string, ready int) {
	tb.Helper()
	n, err := b.checkQueue(queue)
	want(tb, "check queue", 0, err)
	if n.ready != ready {
		tb.Fatalf("got %d ready, want %d", n.ready, ready)
	}
}

func settle(tb testing.TB, d *delivery, v verdict, multiple bool) {
	tb.Helper()
	want(tb, v.String(), 0, d.settle(v, multiple))
}

func receiving(tb testing.TB, b broker, queue string, o consuming) consumer {
	tb.Helper()
	c, err := b.consume(queue, o)
	want(tb, "consume", 0, err)
	return c
}

// After queue_parallel_SUITE: publish, get and settle.
func TestSettlementByGet(t *testing.T) {
	onBoth(t, func(t *trial) {
		b := t.open()
		q := exclusive(t, b, t.tag)
		if d, err := b.get(q, false); d != nil || err != nil {
			t.Fatalf("get from an empty queue: got %v %v, want nothing", d, err)
		}
		send(t, b, q, "1", "2", "3", "4")
		if d, err := b.get(q, true); err != nil || d.behind != 3 {
			t.Fatalf("get: got %+v %v, want 3 behind", d, err)
		}
		settle(t, fetch(t, b, q, "2", false), ack, false)
		settle(t, fetch(t, b, q, "3", false), requeue, false)
		again := fetch(t, b, q, "3", true)
		settle(t, fetch(t, b, q, "4", false), drop, false)
		settle(t, again, reject, false)
		wantReady(t, b, q, 0)
	})
}

func TestSettlementOfSeveralByGet(t *testing.T) {
	onBoth(t, func(t *trial) {
		b := t.open()
		q := exclusive(t, b, t.tag)
		send(t, b, q, "1", "2", "3", "4", "5")
		fetch(t, b, q, "1", false)
		settle(t, fetch(t, b, q, "2", false), ack, true)
		fetch(t, b, q, "3", false)
		settle(t, fetch(t, b, q, "4", false), requeue, true)
		wantReady(t, b, q, 3)
		fetch(t, b, q, "3", true)
		fetch(t, b, q, "4", true)
		settle(t, fetch(t, b, q, "5", false), drop, true)
		wantReady(t, b, q, 0)
	})
}

// After amqpl_consumer_ack_SUITE: four messages, three handed back at once.
func TestSettlementOfSeveralByAConsumer(t *testing.T) {
	onBoth(t, func(t *trial) {
		b := t.open()
		q := exclusive(t, b, t.tag)
		send(t, b, q, "1", "2", "3", "4")
		c := receiving(t, b, q, consuming{})
		list := receive(t, c, "1", "2", "3", "4")
		settle(t, list[2], requeue, true)
		var last *delivery
		for _, body := range []string{"1", "2", "3"} {
			last = c.next(patience)
			wantDelivery(t, last, body, true)
		}
		wantReady(t, b, q, 0)
		settle(t, last, ack, true)
		want(t, "cancel", 0, c.cancel())
		wantReady(t, b, q, 0)
	})
}

func receive(tb testing.TB, c consumer, bodies ...string) []*delivery {
	tb.Helper()
	var list []*delivery
	for _, body := range bodies {
		d := c.next(patience)
		wantDelivery(tb, d, body, false)
		list = append(list, d)
	}
	return list
}

// After InvalidAcks: what is settled twice.
func TestSettlementTwice(t *testing.T) {
	onBoth(t, func(t *trial) {
		b := t.open()
		q := exclusive(t, b, t.tag)
		send(t, b, q, "1")
		d := fetch(t, b, q, "1", false)
		settle(t, d, ack, false)
		want(t, "ack again", 406, d.settle(ack, false))
	})
}

// After PerConsumerPrefetch: singly, several at once, handed back, no limit, and
// of no concern to automatic acks.
func TestSettlementMakesRoomInThePrefetch(t *testing.T) {
	for _, v := range []verdict{ack, requeue, reject} {
		t.Run(v.String(), func(t *testing.T) {
			onBoth(t, func(t *trial) {
				b := t.open()
				q := exclusive(t, b, t.tag)
				send(t, b, q, "1", "2", "3")
				c := receiving(t, b, q, consuming{prefetch: 2})
				list := receive(t, c, "1", "2")
				wantNone(t, c)
				settle(t, list[1], v, v == ack)
				if v == requeue {
					wantDelivery(t, c.next(patience), "2", true)
				} else {
					wantDelivery(t, c.next(patience), "3", false)
				}
				wantNone(t, c)
			})
		})
	}
}

func TestSettlementWithoutAPrefetch(t *testing.T) {
	for name, o := range map[string]consuming{"none": {}, "automatic acks": {prefetch: 1, autoAck: true}} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *trial) {
				b := t.open()
				q := exclusive(t, b, t.tag)
				send(t, b, q, "1", "2", "3")
				c := receiving(t, b, q, o)
				send(t, b, q, "4")
				receive(t, c, "1", "2", "3", "4")
			})
		})
	}
}

// After NoRequeueOnCancel: what a consumer held when it was cancelled is its
// client's still, and comes back when that closes.
func TestSettlementAfterCancel(t *testing.T) {
	onBoth(t, func(t *trial) {
		b, other := t.open(), t.open()
		q := t.tag
		want(t, "declare", 0, second(b.declareQueue(streams.Queue{Name: q, Durable: true})))
		t.Cleanup(func() { _, _ = t.open().deleteQueue(q, false, false) })
		send(t, b, q, "1", "2")
		c := receiving(t, other, q, consuming{})
		list := receive(t, c, "1", "2")
		want(t, "cancel", 0, c.cancel())
		wantReady(t, b, q, 0)
		settle(t, list[0], ack, false)
		want(t, "close", 0, other.close())
		d := receiving(t, b, q, consuming{}).next(patience)
		wantDelivery(t, d, "2", true)
		settle(t, d, ack, false)
	})
}

// After QueueExclusivity: 405 for every operation of another client, and gone
// with its own.
func TestSettlementOfExclusiveQueues(t *testing.T) {
	onBoth(t, func(t *trial) {
		owner, other := t.open(), t.open()
		q := exclusive(t, owner, t.tag)
		b := streams.Binding{Exchange: "amq.direct", Queue: q, Key: t.tag}
		want(t, "declare", 405, second(other.declareQueue(streams.Queue{Name: q, Exclusive: true})))
		want(t, "check", 405, second(other.checkQueue(q)))
		want(t, "consume", 405, second(other.consume(q, consuming{})))
		want(t, "get", 405, second(other.get(q, true)))
		want(t, "purge", 405, second(other.purgeQueue(q)))
		want(t, "delete", 405, second(other.deleteQueue(q, false, false)))
		want(t, "bind", 405, other.bind(b))
		want(t, "bind as the owner", 0, owner.bind(b))
		want(t, "unbind", 405, other.unbind(b))
		send(t, other, q, "published by another")
		fetch(t, owner, q, "published by another", false)
		want(t, "close", 0, owner.close())
		want(t, "check after the end", 404, second(other.checkQueue(q)))
	})
}

// After BindingLifecycle: a purge takes what is ready and nothing else.
func TestSettlementAfterPurge(t *testing.T) {
	onBoth(t, func(t *trial) {
		b := t.open()
		q := exclusive(t, b, t.tag)
		send(t, b, q, "1", "2", "3")
		held := fetch(t, b, q, "1", false)
		n, err := b.purgeQueue(q)
		want(t, "purge", 0, err)
		if n != 2 {
			t.Fatalf("purged %d, want 2", n)
		}
		settle(t, held, requeue, false)
		fetch(t, b, q, "1", true)
	})
}

// After DoubleDeletion and the rest of BindingLifecycle.
func TestSettlementOfDeletions(t *testing.T) {
	onBoth(t, func(t *trial) {
		b := t.open()
		q := exclusive(t, b, t.tag)
		x := streams.Exchange{Name: t.tag, Kind: streams.Fanout, AutoDelete: true}
		want(t, "declare exchange", 0, b.declareExchange(x))
		want(t, "bind", 0, b.bind(streams.Binding{Exchange: x.Name, Queue: q}))
		want(t, "delete exchange if unused", 406, b.deleteExchange(x.Name, true))
		c := receiving(t, b, q, consuming{})
		want(t, "delete queue if unused", 406, second(b.deleteQueue(q, true, false)))
		want(t, "delete queue", 0, second(b.deleteQueue(q, false, false)))
		select {
		case <-c.cancelled():
		case <-time.After(patience):
			t.Fatal("the consumer of a deleted queue was not told")
		}
		want(t, "delete queue again", 0, second(b.deleteQueue(q, false, false)))
		want(t, "the auto-delete exchange has gone", 404, b.checkExchange(x.Name))
		want(t, "delete exchange again", 0, b.deleteExchange(x.Name, false))
	})
}

// After DefaultExchange and Return.
func TestSettlementOfTheUnroutable(t *testing.T) {
	onBoth(t, func(t *trial) {
		b := t.open()
		q := exclusive(t, b, t.tag)
		want(t, "bind to the default exchange", 403, b.bind(streams.Binding{Queue: q}))
		want(t, "unbind from it", 403, b.unbind(streams.Binding{Queue: q}))
		want(t, "delete it", 403, b.deleteExchange("", false))
		want(t, "declare it", 403, b.declareExchange(streams.Exchange{Kind: streams.Direct}))
		want(t, "declare an amq. queue", 403, second(b.declareQueue(streams.Queue{Name: "amq." + t.tag})))
		mandatory := post{key: q, mandatory: true}
		want(t, "publish to the queue by name", 0, b.publish("", []post{mandatory})[0])
		mandatory.key += ".missing"
		want(t, "publish to no queue", 312, b.publish("", []post{mandatory})[0])
		mandatory.mandatory = false
		want(t, "the same, not mandatory", 0, b.publish("", []post{mandatory})[0])
		want(t, "publish to no exchange", 404, b.publish(t.tag+".missing", []post{{}})[0])
		wantReady(t, b, q, 1)
	})
}

// After single queue suites: consumers take turns, and one that goes leaves its
// messages, in order, to the rest.
func TestSettlementAmongConsumers(t *testing.T) {
	onBoth(t, func(t *trial) {
		b, going, staying := t.open(), t.open(), t.open()
		want(t, "declare", 0, second(b.declareQueue(streams.Queue{Name: t.tag, Durable: true})))
		t.Cleanup(func() { _, _ = t.open().deleteQueue(t.tag, false, false) })
		one := receiving(t, going, t.tag, consuming{prefetch: 2})
		send(t, b, t.tag, "1", "2", "3", "4")
		receive(t, one, "1", "2")
		other := receiving(t, staying, t.tag, consuming{})
		receive(t, other, "3", "4")
		want(t, "close", 0, going.close())
		wantDelivery(t, other.next(patience), "1", true)
		wantDelivery(t, other.next(patience), "2", true)
	})
}

// Server-named queues begin the same, and belong to nobody else.
func TestSettlementOfServerNamedQueues(t *testing.T) {
	onBoth(t, func(t *trial) {
		b := t.open()
		n, err := b.declareQueue(streams.Queue{Exclusive: true})
		want(t, "declare", 0, err)
		if !strings.HasPrefix(n.name, "amq.gen-") {
			t.Fatalf("got the name %q, want one that begins with amq.gen-", n.name)
		}
		send(t, b, n.name, "1")
		fetch(t, b, n.name, "1", false)
	})
}

// After the first of the tutorials to declare a queue otherwise, and QueueLifecycle.
func TestSettlementOfDeclarations(t *testing.T) {
	onBoth(t, func(t *trial) {
		b := t.open()
		q := exclusive(t, b, t.tag)
		shared := q + ".shared"
		want(t, "declare queue", 0, second(b.declareQueue(streams.Queue{Name: shared, Durable: true})))
		t.Cleanup(func() { _, _ = t.open().deleteQueue(shared, false, false) })
		for _, again := range []struct {
			queue streams.Queue
			reply int
		}{
			{streams.Queue{Name: q, Exclusive: true, Args: streams.Table{"x-note": "means nothing"}}, 0},
			{streams.Queue{Name: q, Exclusive: true, Durable: true}, 0}, // means nothing either
			{streams.Queue{Name: q, Exclusive: true, AutoDelete: true}, 406},
			{streams.Queue{Name: q}, 405},
			{streams.Queue{Name: shared}, 406},
			{streams.Queue{Name: shared, Durable: true, AutoDelete: true}, 406},
			{streams.Queue{Name: shared, Durable: true, Exclusive: true}, 405},
		} {
			want(t, fmt.Sprintf("declare %+v", again.queue), again.reply, second(b.declareQueue(again.queue)))
		}
		args := streams.Table{"x-queue-type": "nonsense"}
		want(t, "declare queue of no type", 406, second(b.declareQueue(streams.Queue{Name: q + ".", Args: args})))

		x := streams.Exchange{Name: t.tag, Kind: streams.Topic}
		want(t, "declare exchange", 0, b.declareExchange(x))
		t.Cleanup(func() { _ = t.open().deleteExchange(x.Name, false) })
		for _, other := range []streams.Exchange{
			{Kind: streams.Fanout},
			{Kind: streams.Topic, Durable: true},
			{Kind: streams.Topic, AutoDelete: true},
			{Kind: streams.Topic, Internal: true},
		} {
			other.Name = x.Name
			want(t, "declare exchange otherwise", 406, b.declareExchange(other))
		}
		want(t, "check exchange", 0, b.checkExchange(x.Name))
	})
}

// After BindingLifecycle: bindings that differ in the type of an argument alone.
func TestSettlementOfBindings(t *testing.T) {
	onBoth(t, func(t *trial) {
		b := t.open()
		q := exclusive(t, b, t.tag)
		x := streams.Exchange{Name: t.tag, Kind: streams.Headers, AutoDelete: true}
		want(t, "declare exchange", 0, b.declareExchange(x))
		want(t, "bind for good", 0, b.bind(streams.Binding{Exchange: x.Name, Queue: q, Args: streams.Table{"n": "other"}}))
		narrow := streams.Binding{Exchange: x.Name, Queue: q, Args: streams.Table{"n": int8(1)}}
		wide := streams.Binding{Exchange: x.Name, Queue: q, Args: streams.Table{"n": int32(1)}}
		p := post{mandatory: true, Message: streams.Message{Headers: streams.Table{"n": int64(1)}}}
		want(t, "bind", 0, b.bind(narrow))
		want(t, "unbind what is not bound", 0, b.unbind(wide))
		want(t, "publish", 0, b.publish(wide.Exchange, []post{p})[0])
		want(t, "bind again", 0, b.bind(wide))
		want(t, "unbind one", 0, b.unbind(narrow))
		want(t, "publish, bound once", 0, b.publish(wide.Exchange, []post{p})[0])
		want(t, "unbind the other", 0, b.unbind(wide))
		want(t, "publish, not bound", 312, b.publish(wide.Exchange, []post{p})[0])
		wantReady(t, b, q, 2)
	})
}
