package main

import (
	"slices"
	"testing"
	"time"

	"warren/streams"
)

// TestAKilledReceiverLosesNothing: what a receiver that is killed has not
// acknowledged comes to another one, and nothing else does.
func TestAKilledReceiverLosesNothing(t *testing.T) {
	t.Parallel()
	const total, prefetch = 100, 10
	broker := serveProcess(t)
	c := openClient(t, broker.url, streams.Config{Lease: time.Second})
	c.queue(streams.Queue{Name: "tasks", Durable: true})
	sent, done := c.send("tasks", total), newTally()

	first := receive(t, broker.url, done, "--prefetch", "10", "--work", "2ms")
	done.await(t, total/2)
	first.kill(t)
	left := receiveRest(t, c, broker.url, done)

	doubled, copies := done.doubled()
	lost := done.missing(sent)
	outcome{total, total, total - len(lost), copies, len(lost), 1}.log(t, "the second receiver took %d", left)
	if len(lost) > 0 {
		t.Errorf("lost: %v", lost)
	}
	held := first.began[max(len(first.began)-prefetch, 0):]
	for _, body := range doubled {
		if !slices.Contains(held, body) {
			t.Errorf("message %s was done twice; the killed one may have held %v", body, held)
		}
	}
	if copies > prefetch {
		t.Errorf("%d messages were done twice, with a prefetch of %d", copies, prefetch)
	}
	c.wantEmpty("tasks")
}

// TestFairDispatch: with a prefetch of one, whoever is free gets the next
// message; without acknowledgements, everybody gets as much.
func TestFairDispatch(t *testing.T) {
	t.Parallel()
	const total = 60
	tests := []struct {
		name string
		args []string
		ok   func(slow int) bool
		want string
	}{
		{"a prefetch of one", []string{"--prefetch", "1"}, func(slow int) bool { return slow*100 < total*15 }, "less than 15 %"},
		{"no acknowledgements", []string{"--ack=false"}, func(slow int) bool { return slow*2 == total }, "half"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			broker := serveProcess(t)
			c := openClient(t, broker.url, streams.Config{})
			c.queue(streams.Queue{Name: "tasks", Durable: true})
			done := newTally()
			slow := receive(t, broker.url, done, append(test.args, "--work", "200ms")...)
			fast := receive(t, broker.url, done, append(test.args, "--work", "5ms")...)
			slow.ready(t)
			fast.ready(t)
			// Their sessions answer behind their requests for messages.
			if n := c.inspect("tasks").Consumers; n != 2 {
				t.Fatalf("there are %d consumers, want 2", n)
			}
			sent := c.send("tasks", total)
			done.await(t, total)
			slow.kill(t)
			fast.kill(t)
			_, copies := done.doubled()
			outcome{total, total, total, copies, len(done.missing(sent)), 0}.
				log(t, "slow %d, fast %d: %s", len(slow.began), len(fast.began), test.name)
			if !test.ok(len(slow.began)) {
				t.Errorf("the slow one got %d of %d, want %s", len(slow.began), total, test.want)
			}
			if copies > 0 {
				t.Errorf("%d messages were done twice", copies)
			}
		})
	}
}
