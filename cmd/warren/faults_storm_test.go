package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"warren/streams"
)

// TestReconnectStorms: many sessions lose their connections at once, ten times
// in a row, while others list and clear away what dead sessions have left. All
// of them come back, with their consumers, and nothing that was confirmed is
// lost.
func TestReconnectStorms(t *testing.T) {
	t.Parallel()
	const sessions, queues, each, cuts = 30, 3, 20, 10
	const total = sessions * each
	broker := serveProcess(t)
	line := newProxy(t, broker.url)
	watcher := openClient(t, broker.url, streams.Config{Lease: time.Second})
	for q := range queues {
		watcher.queue(streams.Queue{Name: "q" + strconv.Itoa(q), Durable: true})
	}
	received := newTally()
	all := make([]client, sessions)
	for i := range all {
		all[i] = openClient(t, line.url(), streams.Config{})
		_, err := all[i].Consume(t.Context(), "q"+strconv.Itoa(i%queues), streams.ConsumeOptions{Prefetch: 5, Push: func(d *streams.Delivery) {
			received.note(string(d.Body))
			if err := d.Ack(); err != nil {
				t.Errorf("ack %s: %v", d.Body, err)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	p := &publication{confirmed: newTally(), repeated: newTally()}
	for i, c := range all {
		p.running.Go(func() {
			for n := range each {
				p.publish(t, c, "q"+strconv.Itoa((i+1)%queues), fmt.Sprint(i, " ", n))
			}
		})
	}
	watching, stop := context.WithCancel(t.Context())
	var watch sync.WaitGroup
	watch.Go(func() {
		for watching.Err() == nil {
			if _, err := watcher.Queues(t.Context()); err != nil {
				t.Errorf("list queues: %v", err)
			}
		}
	})
	dropped := 0
	for cut := range cuts {
		p.confirmed.await(t, cut*total/cuts)
		dropped += line.cut()
	}
	p.running.Wait()
	received.await(t, total)
	stop()
	watch.Wait()
	consumers := awaitConsumers(t, watcher, queues, sessions)
	for _, c := range all {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("close a session: %v", err)
		}
	}
	left := 0
	for q := range queues {
		name := "q" + strconv.Itoa(q)
		left += drain(t, watcher, name, received)
		watcher.wantEmpty(name)
	}
	_, copies := received.doubled()
	lost := received.missing(p.confirmed)
	_, tries := p.repeated.all()
	outcome{total, len(p.confirmed.copies), len(received.copies), copies, len(lost), cuts}.
		log(t, "%d connections cut, %d published again, %v consumers, %d left at the end", dropped, tries, consumers, left)
	if len(lost) > 0 {
		t.Errorf("confirmed and lost: %v", lost)
	}
	if left := registrations(t, watcher.nc); len(left) > 0 {
		t.Errorf("registrations left: %v", left)
	}
}

// awaitConsumers waits until all consumers are back: their sessions may just
// have been cut off, and nothing but asking tells.
func awaitConsumers(t *testing.T, c client, queues, sessions int) (counts []int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		counts = nil
		sum := 0
		for q := range queues {
			counts = append(counts, c.inspect("q"+strconv.Itoa(q)).Consumers)
			sum += counts[q]
		}
		if sum == sessions {
			return counts
		}
	}
	t.Errorf("consumers: got %v, want %d in all", counts, sessions)
	return counts
}

// drain takes what is in a queue, what comes back when leases end among it, and
// says how much it was.
func drain(t *testing.T, c client, queue string, received *tally) int {
	t.Helper()
	info := c.inspect(queue)
	left := info.Ready + info.Unacked
	if left == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	consumer, err := c.Consume(ctx, queue, streams.ConsumeOptions{Prefetch: left})
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for d, err := range consumer.Deliveries(ctx) {
		if err != nil {
			t.Fatalf("drain queue %s: %v", queue, err)
		}
		received.note(string(d.Body))
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
		if taken++; taken == left {
			return left
		}
	}
	t.Fatalf("drain queue %s: got %d, want %d", queue, taken, left)
	return taken
}
