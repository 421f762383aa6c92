package streams_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

const roomLimit = 8 << 20

// TestRoom_AFullBrokerCanBeDrained: when what is published has filled the memory or
// the store, publishers are told so with 506, and everybody else goes on: sessions
// open, every queue can be consumed, a store can be written, and when there is room
// again, publishing goes on.
func TestRoom_AFullBrokerCanBeDrained(t *testing.T) {
	t.Parallel()
	for name, durable := range map[string]bool{"memory": false, "store": true} {
		for _, exchange := range []string{"", "amq.fanout"} {
			t.Run(name+" exchange "+exchange, func(t *testing.T) {
				t.Parallel()
				server := embeddedtest.Start(t, embedded.Config{MaxMemory: roomLimit, MaxStore: roomLimit})
				drainFull(t, server, exchange, durable)
			})
		}
	}
}

func drainFull(t *testing.T, server *embeddedtest.Server, exchange string, durable bool) {
	t.Helper()
	publisher := newRig(t, server.Connect(t), streams.Config{})
	for _, q := range []string{"full", "other"} {
		publisher.queue(streams.Queue{Name: q, Durable: durable})
	}
	if exchange != "" {
		publisher.bind(exchange, "full", "full")
	}
	publisher.publish("", "other", "waiting")
	m := streams.Message{Body: make([]byte, 16<<10)}
	if durable {
		m.DeliveryMode = streams.Persistent
	}
	stored := fillUp(t, publisher, exchange, m)
	if stored*len(m.Body) < roomLimit/2 {
		t.Errorf("%d messages of %d bytes are in, with a limit of %d", stored, len(m.Body), roomLimit)
	}

	consumer := newRig(t, server.Connect(t), streams.Config{})
	wantList(t, "other queue", consumer.drain("other"), "waiting")
	store, err := consumer.DeclareStore(consumer.ctx, "control", streams.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(consumer.ctx, streams.Put{Key: "a", Value: []byte("b")}); err != nil {
		t.Error(err)
	}
	if got := drainByConsumer(consumer, "full", stored); got != stored {
		t.Errorf("drained %d messages, want %d", got, stored)
	}
	awaitRoom(t, publisher, exchange, m)
}

// fillUp publishes until the broker refuses, and counts what it took.
func fillUp(t *testing.T, r rig, exchange string, m streams.Message) (stored int) {
	t.Helper()
	for {
		err := r.Publish(r.ctx, exchange, "full", m)
		if err == nil {
			stored++
			continue
		}
		var amqp *streams.Error
		if !errors.Is(err, streams.ErrResource) || !errors.As(err, &amqp) || amqp.Hint == "" || !strings.Contains(err.Error(), "limit is reached") {
			t.Fatalf("after %d messages: got %v, want 506, the limit and what to do", stored, err)
		}
		if errors.Is(err, streams.ErrUnconfirmed) {
			t.Errorf("got %v for a message that was not stored", err)
		}
		return stored
	}
}

func drainByConsumer(r rig, queue string, n int) (got int) {
	r.Helper()
	c := r.consume(queue, streams.ConsumeOptions{Prefetch: 10})
	for d, err := range c.Deliveries(r.ctx) {
		if err != nil {
			r.Fatal(err)
		}
		if err := d.Ack(); err != nil {
			r.Error(err)
		}
		if got++; got == n {
			return got
		}
	}
	return got
}

// awaitRoom publishes until the broker takes it. It looks for room now and then.
func awaitRoom(t *testing.T, r rig, exchange string, m streams.Message) {
	t.Helper()
	for {
		err := r.Publish(r.ctx, exchange, "full", m)
		if err == nil {
			return
		}
		if !errors.Is(err, streams.ErrResource) {
			t.Fatal(err)
		}
	}
}

// TestRoom_APublisherMayWait: the messages of a publisher with NoRoom wait until there
// is room, whether they go one by one or in batches, and their time does not run out
// meanwhile.
func TestRoom_APublisherMayWait(t *testing.T) {
	t.Parallel()
	for name, always := range map[string]bool{"one by one": false, "in batches": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := embeddedtest.Start(t, embedded.Config{MaxStore: roomLimit, SyncAlways: always})
			s := newRig(t, server.Connect(t), streams.Config{Timeout: 4 * time.Second})
			s.queue(streams.Queue{Name: "full", Durable: true})
			told, full := make(chan error, 1000), make(chan struct{})
			isFull := sync.OnceFunc(func() { close(full) })
			p, err := s.Publisher(streams.PublisherOptions{Window: 2000, NoRoom: func(refusal error) {
				told <- refusal
				isFull()
			}})
			if err != nil {
				t.Fatal(err)
			}
			m := streams.Message{Body: make([]byte, 64<<10), DeliveryMode: streams.Persistent}
			var confirms []*streams.Confirm
			for more := 100; more > 0; {
				if len(told) > 0 {
					more--
				}
				c, err := p.Publish(s.ctx, "", "full", m)
				if err != nil {
					t.Fatal(err)
				}
				confirms = append(confirms, c)
				if behind := len(confirms) - 64; behind >= 0 { // no more is refused than need be
					select {
					case <-confirms[behind].Done():
					case <-full:
					}
				}
			}
			if refusal := <-told; !errors.Is(refusal, streams.ErrResource) {
				t.Errorf("told %v, want 506", refusal)
			}
			<-time.After(5 * time.Second) // longer than a message has
			consumer := newRig(t, server.Connect(t), streams.Config{})
			if got := drainByConsumer(consumer, "full", len(confirms)); got != len(confirms) {
				t.Errorf("%d of %d messages came", got, len(confirms))
			}
			for i, c := range confirms {
				if err := c.Wait(s.ctx); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			for refusal := range told {
				if refusal == nil {
					break
				}
			}
		})
	}
}

// TestRoom_RefusalsAreKnown: what package embedded says of a message it has refused is
// what a batch is tried again for.
func TestRoom_RefusalsAreKnown(t *testing.T) {
	t.Parallel()
	if streams.RefusedBefore != embedded.Refused {
		t.Errorf("got %q, want %q", streams.RefusedBefore, embedded.Refused)
	}
}

// TestRoom_AServerWithoutReserve: a server that keeps none, as one that runs on its
// own, refuses everything that is stored when its limit is reached, registrations of
// consumers among it. A purge stores nothing, and makes room.
func TestRoom_AServerWithoutReserve(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{MaxMemory: 1 << 20, Limited: []string{}})
	publisher := newRig(t, server.Connect(t), streams.Config{})
	publisher.queue(streams.Queue{Name: "full"})
	publisher.queue(streams.Queue{Name: "other"})
	publisher.publish("", "other", "waiting")
	m := streams.Message{Body: make([]byte, 1<<20)}
	var err error
	for err == nil {
		err = publisher.Publish(publisher.ctx, "", "full", m)
	}
	if !errors.Is(err, streams.ErrResource) {
		t.Fatalf("publish: got %v, want 506", err)
	}
	late := newRig(t, server.Connect(t), streams.Config{})
	if _, err := late.Consume(late.ctx, "other", streams.ConsumeOptions{}); !errors.Is(err, streams.ErrResource) {
		t.Errorf("consume: got %v, want 506", err)
	}
	if n, err := late.PurgeQueue(late.ctx, "full"); err != nil || n == 0 {
		t.Errorf("purge: got %d, %v", n, err)
	}
	publisher.publish("", "full", "again")
	wantList(t, "other queue", late.drain("other"), "waiting")
}
