package streams_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

var exclusively = streams.ConsumeOptions{Exclusive: true}

// wantExclusive checks that a queue refuses consumers of a session, exclusive or not.
func wantExclusive(t *testing.T, r rig, queue string) {
	t.Helper()
	for _, o := range []streams.ConsumeOptions{{}, exclusively} {
		_, err := r.Consume(r.ctx, queue, o)
		wantError(t, "another consumer", err, streams.ErrAccessRefused)
	}
}

// TestExclusiveConsumer_KeepsOthersOut: those of its session and of others, but no Get, for
// as long as it lasts.
func TestExclusiveConsumer_KeepsOthersOut(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	r, other := newRig(t, server.Connect(t), streams.Config{}), newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	for range 3 {
		got := make(chan *streams.Delivery, 1)
		c := r.consume(q, streams.ConsumeOptions{Exclusive: true, Prefetch: 1, Push: func(d *streams.Delivery) { got <- d }})
		wantExclusive(t, r, q)
		wantExclusive(t, other, q)
		other.untilCounts(q, 0, 0, 1)
		r.number(q, 2)
		held := next(r, got)
		must(t, other.get(q).Ack())
		must(t, c.Cancel(r.ctx))
		beside := other.consume(q, streams.ConsumeOptions{}) // whatever the other one holds
		_, err := r.Consume(r.ctx, q, exclusively)
		wantError(t, "an exclusive consumer beside another one", err, streams.ErrAccessRefused)
		must(t, held.Ack())
		must(t, beside.Cancel(r.ctx))
	}
	other.untilCounts(q, 0, 0, 0)
}

// TestExclusiveConsumer_EndsWithItsQueue: a queue that is declared again is free.
func TestExclusiveConsumer_EndsWithItsQueue(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	r, other := newRig(t, server.Connect(t), streams.Config{}), newRig(t, server.Connect(t), streams.Config{})
	q := streams.Queue{Name: "q"}
	for range 5 {
		r.queue(q)
		c := r.consume("q", exclusively)
		_, err := other.DeleteQueue(r.ctx, "q")
		must(t, err)
		<-c.Done()
		wantError(t, "its consumer", c.Err(), streams.ErrNotFound)
		_, err = other.Consume(r.ctx, "q", exclusively)
		wantError(t, "a consumer of no queue", err, streams.ErrNotFound)
		other.queue(q)
		must(t, other.consume("q", streams.ConsumeOptions{}).Cancel(r.ctx))
		_, err = other.DeleteQueue(r.ctx, "q")
		must(t, err)
	}
}

// TestExclusiveConsumer_GoesWithItsConnection: nobody waits for the lease of what has
// ended at the other end.
func TestExclusiveConsumer_GoesWithItsConnection(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	r := newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	for _, o := range []streams.ConsumeOptions{{}, exclusively} {
		cut := server.Connect(t)
		newRig(t, cut, streams.Config{}).consume(q, exclusively)
		wantExclusive(t, r, q)
		cut.Close()
		must(t, r.consume(q, o).Cancel(r.ctx))
	}
}

// TestExclusiveConsumer_OneOfManyBegins: of exclusive consumers and others that begin at
// once, one exclusive one consumes alone, or others do.
func TestExclusiveConsumer_OneOfManyBegins(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	sessions := make([]rig, 3)
	for i := range sessions {
		sessions[i] = newRig(t, server.Connect(t), streams.Config{})
	}
	q := sessions[0].queue(streams.Queue{Name: "q"})
	for round := range 30 {
		began := make([]*streams.Consumer, 6)
		var beginning sync.WaitGroup
		exclusive := func(i int) bool { return i%2 == 0 || round%3 == 0 } // or all of them
		for i := range began {
			beginning.Go(func() {
				r := sessions[i%len(sessions)]
				c, err := r.Consume(r.ctx, q, streams.ConsumeOptions{Exclusive: exclusive(i)})
				if err != nil && !errors.Is(err, streams.ErrAccessRefused) {
					t.Error(err)
				}
				began[i] = c
			})
		}
		beginning.Wait()
		alone, beside := 0, 0
		for i, c := range began {
			switch {
			case c == nil:
				continue
			case exclusive(i):
				alone++
			default:
				beside++
			}
			must(t, c.Cancel(sessions[0].ctx))
		}
		if alone > 1 || (alone == 1) == (beside > 0) {
			t.Fatalf("round %d: %d exclusive consumers and %d others began", round, alone, beside)
		}
	}
}

// TestExclusiveConsumer_ARefusedOneKeepsNoQueue: an auto-delete queue goes with its
// exclusive consumer, also when another consumer is refused meanwhile.
func TestExclusiveConsumer_ARefusedOneKeepsNoQueue(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	r, other := newRig(t, server.Connect(t), streams.Config{}), newRig(t, server.Connect(t), streams.Config{})
	for range 30 {
		q := r.queue(streams.Queue{Name: "q", AutoDelete: true})
		c := r.consume(q, exclusively)
		var asking sync.WaitGroup
		asking.Go(func() {
			next, err := other.Consume(other.ctx, q, streams.ConsumeOptions{})
			switch {
			case err == nil:
				err = next.Cancel(other.ctx)
			case errors.Is(err, streams.ErrAccessRefused), errors.Is(err, streams.ErrNotFound):
				err = nil
			}
			if err != nil {
				t.Error(err)
			}
		})
		must(t, c.Cancel(r.ctx))
		asking.Wait()
		_, err := r.InspectQueue(r.ctx, q)
		wantError(t, "the queue without consumers", err, streams.ErrNotFound)
	}
}

// TestExclusiveConsumer_GoesOnWithTheBroker: after a restart the queue is its own again.
func TestExclusiveConsumer_GoesOnWithTheBroker(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	connect := func() *nats.Conn { return server.Connect(t, nats.ReconnectWait(10*time.Millisecond)) }
	nc := connect()
	r, other := newRig(t, connect(), streams.Config{}), newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	got := make(chan *streams.Delivery, 10)
	r.consume(q, streams.ConsumeOptions{Exclusive: true, Push: func(d *streams.Delivery) { got <- d }})
	server.Restart(t)
	r.until("a message is confirmed", func() bool { // one may meet the end of the connection
		return r.Publish(r.ctx, "", q, streams.Message{Body: []byte("after")}) == nil
	})
	must(t, next(r, got).Ack())
	until(t, "the consumer has claimed its queue again", func() bool {
		live, err := stream(t, nc, "warren~live")
		if err == nil {
			_, err = live.GetLastMsgForSubject(r.ctx, "warren.live.exclusive."+q)
		}
		return err == nil
	})
	wantExclusive(t, other, q)
}
