package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"warren/streams"
)

// TestAKilledSessionsQueuesGo: the exclusive queue, and the auto-delete queue,
// of a process that was killed is gone for whoever looks next.
func TestAKilledSessionsQueuesGo(t *testing.T) {
	t.Parallel()
	broker := serveProcess(t)
	c := openClient(t, broker.url, streams.Config{})
	for _, kind := range []string{"exclusive", "auto-delete"} {
		holder := launch(t, nil, "hold", broker.url, "held", kind)
		holder.awaitLine(t, "holding held")
		if got := queueNames(t, c); got != "held" {
			t.Fatalf("queues: got %q, want held", got)
		}
		holder.kill(t)
		began := time.Now()
		got := queueNames(t, c)
		took := time.Since(began)
		left := registrations(t, c.nc)
		outcome{kills: 1}.log(t, "%s queue: %d queues, %d registrations left, listed in %v", kind, len(got), len(left), took.Round(time.Millisecond))
		if got != "" || len(left) > 0 {
			t.Errorf("%s queue: got queues %q and registrations %v after the kill, want none", kind, got, left)
		}
		for _, fault := range audit(t, c) {
			t.Error(fault)
		}
	}
}

// TestAKilledExclusiveConsumerFreesItsQueue: for whoever consumes next.
func TestAKilledExclusiveConsumerFreesItsQueue(t *testing.T) {
	t.Parallel()
	broker := serveProcess(t)
	c := openClient(t, broker.url, streams.Config{})
	for _, o := range []streams.ConsumeOptions{{}, {Exclusive: true}} {
		holder := launch(t, nil, "hold", broker.url, "held", "exclusive-consumer")
		holder.awaitLine(t, "holding held")
		if _, err := c.Consume(t.Context(), "held", o); !errors.Is(err, streams.ErrAccessRefused) {
			t.Errorf("beside the exclusive consumer: %v, want 403", err)
		}
		holder.kill(t)
		began := time.Now()
		consumer, err := c.Consume(t.Context(), "held", o)
		if err != nil {
			t.Fatal(err)
		}
		outcome{kills: 1}.log(t, "free after %v", time.Since(began).Round(time.Millisecond))
		if err := consumer.Cancel(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func queueNames(t *testing.T, c client) string {
	t.Helper()
	queues, err := c.Queues(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, q := range queues {
		names = append(names, q.Name)
	}
	return strings.Join(names, " ")
}

// TestKilledDeclarersLeaveNothingHalfDone: processes that fight over the same
// names are killed in the middle of it. Whatever they were doing, the names can
// be used afterwards, and the server has what the records say.
func TestKilledDeclarersLeaveNothingHalfDone(t *testing.T) {
	t.Parallel()
	const processes, rounds = 3, 18
	broker := serveProcess(t)
	c := openClient(t, broker.url, streams.Config{})
	var group sync.WaitGroup
	var mu sync.Mutex
	steps := 0
	for p := range processes {
		group.Go(func() {
			for round := range rounds {
				seed := strconv.Itoa(1 + p*rounds + round)
				child, err := newCommand("churn", broker.url, seed)
				if err == nil {
					err = child.start(nil)
				}
				if err != nil {
					t.Error(err)
					return
				}
				<-child.done
				said, _ := child.out.with("")
				wrong, _ := child.out.with("unexpected: ")
				for _, line := range wrong {
					t.Errorf("seed %s: %s", seed, line)
				}
				mu.Lock()
				steps += len(said) - len(wrong)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	outcome{kills: processes * rounds}.log(t, "%d steps", steps)

	declareChurnedAll(t, c)
	wantAudit(t, c, "after everything was declared again")
	wantRouted(t, c)
	for _, x := range churnedExchanges {
		for _, q := range churnedQueues {
			for _, key := range []string{"a", "*.b", "#"} {
				if err := c.Unbind(t.Context(), streams.Binding{Exchange: x, Queue: q, Key: key}); err != nil {
					t.Error(err)
				}
			}
		}
	}
	wantAudit(t, c, "after everything was unbound")
	for _, q := range churnedQueues {
		if _, err := c.DeleteQueue(t.Context(), q); err != nil {
			t.Error(err)
		}
	}
	for _, x := range churnedExchanges {
		if err := c.DeleteExchange(t.Context(), x); err != nil {
			t.Error(err)
		}
	}
	wantAudit(t, c, "after everything was deleted")
	if got := queueNames(t, c); got != "" {
		t.Errorf("queues after everything was deleted: %s", got)
	}
}

func declareChurnedAll(t *testing.T, c client) {
	t.Helper()
	for _, x := range churnedExchanges {
		if err := c.DeclareExchange(t.Context(), churnedExchange(x)); err != nil {
			t.Error(err)
		}
	}
	for _, q := range churnedQueues {
		if err := declareChurned(t.Context(), c.Session, q); err != nil {
			t.Error(err)
		}
	}
}

func wantAudit(t *testing.T, c client, when string) {
	t.Helper()
	for _, fault := range audit(t, c) {
		t.Errorf("%s: %s", when, fault)
	}
}

// wantRouted checks that a message of each exchange comes to every queue once.
func wantRouted(t *testing.T, c client) {
	t.Helper()
	for _, x := range churnedExchanges {
		for _, q := range churnedQueues {
			if err := c.Bind(t.Context(), streams.Binding{Exchange: x, Queue: q, Key: "#"}); err != nil {
				t.Error(err)
			}
		}
	}
	for _, x := range churnedExchanges {
		if err := c.Publish(t.Context(), x, "a.b", streams.Message{Body: []byte(x)}, streams.Mandatory); err != nil {
			t.Error(err)
		}
	}
	for _, q := range churnedQueues {
		var got []string
		for d, ok := take(t, c, q); ok; d, ok = take(t, c, q) {
			got = append(got, string(d.Body))
		}
		slices.Sort(got) // two exchanges have no order between them
		if !slices.Equal(got, churnedExchanges) {
			t.Errorf("queue %s got %q, want %q", q, got, churnedExchanges)
		}
	}
}

func take(t *testing.T, c client, queue string) (*streams.Delivery, bool) {
	t.Helper()
	d, ok, err := c.Get(t.Context(), queue, streams.AutoAck)
	if err != nil {
		t.Error(fmt.Errorf("queue %s: %w", queue, err))
	}
	return d, ok
}
