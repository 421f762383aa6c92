package streams_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestAStalledServerStallsNoCall: when the server has stopped reading, and more
// is under way than the buffers take, every call ends with its context, also
// those of another session on the connection.
func TestAStalledServerStallsNoCall(t *testing.T) {
	t.Parallel()
	const patience, margin = 100 * time.Millisecond, 2 * time.Second
	server := embeddedtest.Listen(t)
	l := newLine(t, server)
	nc := l.connect(t)
	loud, quiet := open(t, nc), open(t, nc)
	declareQueue(t, loud, streams.Queue{Name: "q"})
	declareQueue(t, loud, streams.Queue{Name: "filler"})
	publish(t, loud, "", "q", "held")
	consumers := map[string]*streams.Consumer{}
	for what, s := range map[string]*streams.Session{"loud": loud, "quiet": quiet} {
		consumers[what] = consume(t, s, "q", streams.ConsumeOptions{Prefetch: 1})
	}
	stalled := func(what string, do func(context.Context) error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		began := time.Now()
		err := do(ctx)
		if took := time.Since(began); took > patience+margin {
			t.Errorf("%s took %v, with a deadline of %v", what, took, patience)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want %v", what, err, context.DeadlineExceeded)
		}
	}
	l.stall(true, false)
	fill(t, loud)
	var calls sync.WaitGroup
	for what, s := range map[string]*streams.Session{"loud": loud, "quiet": quiet} {
		p, err := s.Publisher(streams.PublisherOptions{})
		must(t, err)
		for name, do := range everything(s, p) {
			calls.Go(func() { stalled(what+" "+name, do) })
		}
		calls.Go(func() { stalled(what+" cancel", consumers[what].Cancel) })
	}
	calls.Go(func() {
		stalled("open", func(ctx context.Context) error { _, err := streams.Open(ctx, nc, streams.Config{}); return err })
	})
	calls.Wait()
	l.stall(false, false)
	wantList(t, "queues", queueNames(t, quiet), "filler", "q")
}

// fill publishes more than the buffers to a stalled server take.
func fill(t *testing.T, s *streams.Session) {
	t.Helper()
	for range 40 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := s.Publish(ctx, "", "filler", streams.Message{Body: make([]byte, 512<<10)})
		cancel()
		wantError(t, "publish to a stalled server", err, context.DeadlineExceeded)
	}
}

// TestAStalledAckDoesNotStallClose: Close ends with its context, also while
// handlers are at telling the server something that it does not read. What it
// could not do before, it does when the server goes on.
func TestAStalledAckDoesNotStallClose(t *testing.T) {
	t.Parallel()
	const patience, margin = 100 * time.Millisecond, 2 * time.Second
	server := embeddedtest.Listen(t)
	l := newLine(t, server)
	nc := l.connect(t)
	s, err := streams.Open(t.Context(), nc, streams.Config{Lease: time.Minute})
	must(t, err)
	declareQueue(t, s, streams.Queue{Name: "q", Durable: true})
	declareQueue(t, s, streams.Queue{Name: "filler"})
	for range 4 {
		publish(t, s, "", "q", "held")
	}
	deliveries := make(chan *streams.Delivery, 4)
	consume(t, s, "q", streams.ConsumeOptions{Prefetch: 4, Push: func(d *streams.Delivery) { deliveries <- d }})
	first, second := <-deliveries, <-deliveries
	<-deliveries
	<-deliveries
	l.stall(true, false)
	fill(t, s)
	var acks sync.WaitGroup
	for _, d := range []*streams.Delivery{first, second} {
		acks.Go(func() { must(t, d.Ack()) })
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	err = s.Close(ctx)
	if took := time.Since(began); took > patience+margin {
		t.Errorf("close took %v, with a deadline of %v", took, patience)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: got %v, want %v", err, context.DeadlineExceeded)
	}
	l.stall(false, false)
	acks.Wait()
	other := open(t, server.Connect(t))
	for range 2 {
		d, err := awaitDelivery(t, other)
		must(t, err)
		wantList(t, "handed back", []string{string(d.Body)}, "held")
	}
}

// awaitDelivery is the next message of a consumer, well before the lease ends.
func awaitDelivery(t *testing.T, s *streams.Session) (*streams.Delivery, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for d, err := range consume(t, s, "q", streams.ConsumeOptions{Prefetch: 1}).Deliveries(ctx) {
		return d, err
	}
	return nil, nats.ErrTimeout
}
