package streams_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// What still comes to a session whose consumer has stopped is bounded in bytes, although the
// consumer has no limit: the rest is there for others. The consumer gets nothing of it.
func TestRequest_IsBoundedInBytes(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	const total, first = 24, 7 // seven of 256 KiB, with what is around them, fit into 2 MiB
	queue := r.queue(streams.Queue{Name: "q"})
	r.publish("", queue, slices.Repeat([]string{strings.Repeat("x", 256<<10)}, total)...)
	window, err := streams.NewWindow(0)
	if err != nil {
		t.Fatal(err)
	}
	r.consume(queue, streams.ConsumeOptions{Window: window, Push: func(*streams.Delivery) { window.Flow(false) }})
	untilConsumers(r, nc, []string{queue}, func(_ jetstream.StreamState, consumer *jetstream.ConsumerInfo) bool {
		return consumer.NumAckPending == first && consumer.NumWaiting == 0
	})
	r.wantCounts(queue, total-1, 1, 1)
	r.take(r.pull(r.consume(queue, streams.ConsumeOptions{})), total-1)
}

// A message that is larger than what a request brings comes in its turn.
func TestRequest_LargerMessages(t *testing.T) {
	t.Parallel()
	small, large := "small", strings.Repeat("x", 5<<19)
	want := []string{large, small, large, small}
	for exchange, o := range map[string]streams.ConsumeOptions{"": {}, "amq.topic": {Prefetch: 100}} {
		r := newRig(t, embeddedtest.Connect(t), streams.Config{})
		queue := r.queue(streams.Queue{Name: "q"})
		r.bind("amq.topic", queue, queue)
		r.publish(exchange, queue, want...)
		for i, d := range r.take(r.pull(r.consume(queue, o)), len(want)) {
			if got := string(d.Body); got != want[i] {
				t.Errorf("exchange %q: message %d has %d bytes, want %d", exchange, i+1, len(got), len(want[i]))
			}
		}
	}
}
