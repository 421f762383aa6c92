//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestAnInterruptedReceiverHandsBack: Ctrl-C gives everything that is not
// acknowledged to another receiver at once, and nothing is done twice.
func TestAnInterruptedReceiverHandsBack(t *testing.T) {
	t.Parallel()
	const total, lease = 100, time.Minute
	broker := serveProcess(t)
	c := openClient(t, broker.url, streams.Config{Lease: lease})
	c.queue(streams.Queue{Name: "tasks", Durable: true})
	sent, done := c.send("tasks", total), newTally()

	first := receive(t, broker.url, done, "--prefetch", "10", "--work", "2ms")
	done.await(t, total/2)
	began := time.Now()
	first.interrupt(t)
	left := receiveRest(t, c, broker.url, done)
	took := time.Since(began)

	_, copies := done.doubled()
	lost := done.missing(sent)
	outcome{total, total, total - len(lost), copies, len(lost), 1}.
		log(t, "the second receiver took %d, after %v with a lease of %v", left, took.Round(time.Millisecond), lease)
	if len(lost) > 0 || copies > 0 {
		t.Errorf("lost: %v, done twice: %d, want none", lost, copies)
	}
	if took > lease/3 {
		t.Errorf("it took %v, with a lease of %v", took, lease)
	}
	c.wantEmpty("tasks")
}

// interrupt presses Ctrl-C, and waits for the end.
func (c *command) interrupt(t *testing.T) {
	t.Helper()
	c.signal(t, os.Interrupt)
	c.wantEnd(t, exitOK)
}

func (c *command) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// TestAKilledBrokerKeepsWhatItConfirmed: whatever was confirmed to a publisher
// is received, however often the broker is killed and started again, and only
// what was not confirmed, or was held by a receiver, comes twice. The broker may
// be a few acknowledgements behind what it sends.
func TestAKilledBrokerKeepsWhatItConfirmed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		sync         string
		total, kills int
	}{
		{"1s", 3000, 5},
		{"always", 600, 3},
	}
	for _, test := range tests {
		t.Run("sync "+test.sync, func(t *testing.T) {
			t.Parallel()
			killBroker(t, test.sync, test.total, test.kills)
		})
	}
}

func killBroker(t *testing.T, sync string, total, kills int) {
	t.Helper()
	const prefetch, behind, receivers = 10, 8, 2
	atMost := kills * receivers * (prefetch + behind)
	broker := serveProcess(t, "--sync", sync)
	c := openClient(t, broker.url, streams.Config{Lease: time.Second})
	c.queue(streams.Queue{Name: "tasks", Durable: true})
	received := newTally()
	var both []*receiver
	for range receivers {
		both = append(both, receive(t, broker.url, received, "--prefetch", strconv.Itoa(prefetch)).ready(t))
	}
	p := publishAll(t, c, total)
	for k := range kills {
		p.confirmed.await(t, (k+1)*total/(kills+1))
		broker.kill(t)
		broker.restart(t)
	}
	p.running.Wait()
	received.await(t, total)
	for _, r := range both {
		r.interrupt(t)
	}
	left := receiveRest(t, c, broker.url, received)

	doubled, copies := received.doubled()
	lost := received.missing(p.confirmed)
	retried, tries := p.repeated.all()
	held := 0
	for _, body := range doubled {
		if !retried[body] {
			held++
		}
	}
	outcome{total, len(p.confirmed.copies), len(received.copies), copies, len(lost), kills}.
		log(t, "sync %s: %d published again %d times, %d held at a kill, %d left at the end", sync, len(retried), tries, held, left)
	if len(lost) > 0 {
		t.Errorf("confirmed and lost: %v", lost)
	}
	if held > atMost {
		t.Errorf("%d messages came twice that were confirmed at once; the receivers held %d at most", held, atMost)
	}
	if copies > tries+atMost {
		t.Errorf("%d copies too many; %d were published again, and the receivers held %d at most", copies, tries, atMost)
	}
	c.wantEmpty("tasks")
}

// TestAStalledBrokerDoesNotStallAPublisher: with a broker that does nothing,
// publishing ends when its context does.
func TestAStalledBrokerDoesNotStallAPublisher(t *testing.T) {
	t.Parallel()
	const margin = time.Second
	tests := []struct {
		name        string
		size, total int
		patience    time.Duration
	}{
		{"small messages", 10, 30, 100 * time.Millisecond},
		{"large messages", 512 << 10, 30, 100 * time.Millisecond},
		// More than all buffers take, and no write that may block for itself.
		{"messages of 30 KiB", 30 << 10, 400, 5 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			broker := serveProcess(t)
			c := openClient(t, broker.url, streams.Config{Timeout: 5 * time.Second})
			c.queue(streams.Queue{Name: "tasks", Durable: true})
			total, patience := test.total, test.patience
			m := streams.Message{Body: make([]byte, test.size)}
			publish := func(patience time.Duration) (time.Duration, error) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				began := time.Now()
				err := c.Publish(ctx, "", "tasks", m)
				return time.Since(began), err
			}
			confirmed, unconfirmed, longest := 0, 0, time.Duration(0)
			stall(t, broker.command, func() {
				for range total {
					took, err := publish(patience)
					longest = max(longest, took)
					if errors.Is(err, streams.ErrUnconfirmed) {
						unconfirmed++
					} else {
						t.Errorf("publish to a stalled broker: got %v, want ErrUnconfirmed", err)
					}
				}
			})
			for range total {
				if _, err := publish(time.Minute); err != nil {
					t.Errorf("publish after the stall: %v", err)
					continue
				}
				confirmed++
			}
			ready := c.inspect("tasks").Ready
			outcome{2 * total, confirmed, ready, 0, max(confirmed-ready, 0), 0}.
				log(t, "%s: %d unconfirmed, each within %v of %v", test.name, unconfirmed, longest.Round(time.Millisecond), patience)
			if longest > patience+margin {
				t.Errorf("publishing took %v with a deadline of %v", longest, patience)
			}
			if ready < confirmed || ready > 2*total {
				t.Errorf("%d messages are there; %d were confirmed, %d sent", ready, confirmed, 2*total)
			}
		})
	}
}

// stall stops a process while f runs.
func stall(t *testing.T, c *command, f func()) {
	t.Helper()
	embeddedtest.Freeze(t, c.cmd.Process)
	defer c.signal(t, syscall.SIGCONT)
	f()
}
