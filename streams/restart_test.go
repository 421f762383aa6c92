package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

func TestRestartKeepsWhatIsDurableAndPersistent(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	nc := server.Connect(t)
	r := newRig(t, nc, streams.Config{})
	for _, durable := range []bool{true, false} {
		name := map[bool]string{true: "durable", false: "transient"}[durable]
		q := r.queue(streams.Queue{Name: name + " queue", Durable: durable})
		must(t, r.DeclareExchange(r.ctx, streams.Exchange{Name: name + " exchange", Kind: streams.Fanout, Durable: durable}))
		r.bind("amq.fanout", q, "")
	}
	for _, x := range []string{"durable exchange", "transient exchange"} {
		r.bind(x, "durable queue", "")
		r.bind(x, "transient queue", "")
	}
	for i, mode := range []streams.DeliveryMode{streams.Persistent, streams.Transient, 0} {
		for _, to := range [][2]string{{"", "durable queue"}, {"", "transient queue"}, {"durable exchange", ""}, {"transient exchange", ""}, {"amq.fanout", ""}} {
			m := streams.Message{Body: []byte(to[0] + strconv.Itoa(i)), DeliveryMode: mode}
			must(t, r.Publish(r.ctx, to[0], to[1], m))
		}
	}
	server.Restart(t)
	r = newRig(t, server.Connect(t), streams.Config{})
	r.wantCounts("durable queue", 4, 0, 0)
	got := r.drain("durable queue")
	wantBodies(t, got, "0", "amq.fanout0", "durable exchange0", "transient exchange0")
	if _, err := r.InspectQueue(r.ctx, "transient queue"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("the transient queue after a restart: %v, want 404", err)
	}
	if err := r.CheckExchange(r.ctx, "transient exchange"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("the transient exchange after a restart: %v, want 404", err)
	}
	if err := r.Publish(r.ctx, "transient exchange", "", streams.Message{}); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("publishing to the transient exchange after a restart: %v, want 404", err)
	}
	bindings, err := r.Bindings(r.ctx)
	must(t, err)
	want := "[{ durable queue durable queue map[]} {amq.fanout durable queue  map[]} {durable exchange durable queue  map[]}]"
	if fmt.Sprint(bindings) != want {
		t.Errorf("bindings after a restart: %v, want %s", bindings, want)
	}
	r.publish("amq.fanout", "", "after")
	wantBodies(t, r.drain("durable queue"), "after")
}

func TestATransientExchangeMayBeDeclaredAnewAfterARestart(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	nc := server.Connect(t)
	r := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	r.exchange("x", streams.Fanout)
	r.bind("x", q, "")
	must(t, r.Publish(r.ctx, "x", "", streams.Message{Body: []byte("before"), DeliveryMode: streams.Persistent}))
	server.Restart(t)
	r = newRig(t, server.Connect(t), streams.Config{})
	r.exchange("x", streams.Direct)
	r.publish("x", "key", "unbound")
	r.bind("x", q, "key")
	r.publish("x", "key", "bound")
	r.publish("x", "other", "unwanted")
	wantBodies(t, r.drain(q), "before", "bound")
}

func TestConsumersAndPublishersGoOnAfterARestart(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	r := newRig(t, server.Connect(t, nats.ReconnectWait(10*time.Millisecond)), streams.Config{Lease: time.Second})
	sender := newRig(t, server.Connect(t, nats.ReconnectWait(10*time.Millisecond)), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	gone := r.queue(streams.Queue{Name: "gone"})
	onGone := r.consume(gone, streams.ConsumeOptions{Prefetch: 1})

	const total = 600
	var mu sync.Mutex
	seen := make(map[string]int)
	complete := make(chan struct{})
	ctx, cancel := context.WithCancel(r.ctx)
	var consuming sync.WaitGroup
	consumer := r.consume(q, streams.ConsumeOptions{Prefetch: 10})
	consuming.Go(func() {
		err := consumer.Run(ctx, func(d *streams.Delivery) {
			if err := d.Ack(); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if seen[string(d.Body)]++; len(seen) == total {
				close(complete)
			}
		})
		if err != nil {
			t.Errorf("the consumer ended: %v", err)
		}
	})
	for i := range total {
		if i == total/3 || i == 2*total/3 {
			server.Restart(t)
		}
		m := streams.Message{Body: []byte(strconv.Itoa(i)), DeliveryMode: streams.Persistent}
		for {
			err := sender.Publish(r.ctx, "", q, m)
			if err == nil {
				break
			}
			if !errors.Is(err, streams.ErrUnconfirmed) {
				t.Fatalf("publish %d: %v", i, err)
			}
		}
	}
	select {
	case <-complete:
	case <-r.ctx.Done():
		mu.Lock()
		t.Errorf("%d of %d messages came through two restarts", len(seen), total)
		mu.Unlock()
	}
	cancel()
	consuming.Wait()
	select {
	case <-onGone.Done():
	case <-r.ctx.Done():
		t.Fatal("the consumer of a transient queue was not told of its end")
	}
	if err := onGone.Err(); !errors.Is(err, streams.ErrCancelled) {
		t.Errorf("the consumer of a transient queue ended with %v, want ErrCancelled", err)
	}
}

func TestAKilledSessionsMessagesAreBackWithinTheLease(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		r := newRig(t, server.Connect(t), streams.Config{Lease: 3 * time.Second})
		r.ctx = context.Background()
		q := r.queue(streams.Queue{Name: "q"})
		r.number(q, 4)
		nc := server.Connect(t)
		killed := newRig(t, nc, streams.Config{})
		killed.take(killed.pull(killed.consume(q, streams.ConsumeOptions{Prefetch: 2})), 2)
		r.wantCounts(q, 2, 2, 1)
		nc.Close() // no goodbye
		r.wantCounts(q, 2, 2, 0)
		start := time.Now()
		got := r.take(r.pull(r.consume(q, streams.ConsumeOptions{})), 4)
		if took := time.Since(start); took > 3*time.Second+100*time.Millisecond {
			t.Errorf("they were back after %v, with a lease of 3s", took)
		}
		wantBodies(t, bodies(got), "3", "4", "1", "2")
		for i, d := range got {
			if d.Redelivered != (i > 1) {
				t.Errorf("message %s redelivered: %t", d.Body, d.Redelivered)
			}
		}
	})
}
