package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

func publisher(t *testing.T, s *streams.Session, o streams.PublisherOptions) *streams.Publisher {
	t.Helper()
	p, err := s.Publisher(o)
	if err != nil {
		t.Fatalf("publisher: %v", err)
	}
	return p
}

func TestPublisherAnswersInOrder(t *testing.T) {
	t.Parallel()
	s := one(t)
	ctx := t.Context()
	declareQueue(t, s, streams.Queue{Name: "q"})
	bind(t, s, streams.Binding{Exchange: "amq.headers", Queue: "q", Args: streams.Table{"n": 1}})
	var confirmed []*streams.Confirm
	p := publisher(t, s, streams.PublisherOptions{Window: 32, Confirmed: func(c *streams.Confirm) {
		confirmed = append(confirmed, c)
	}})
	var published []*streams.Confirm
	var want []string
	for i := range 200 {
		exchange, headers := "", streams.Table(nil)
		switch i % 10 {
		case 3:
			if _, err := p.Publish(ctx, "missing", "q", streams.Message{}); !errors.Is(err, streams.ErrNotFound) {
				t.Errorf("publish to a missing exchange: got %v, want %v", err, streams.ErrNotFound)
			}
		case 5: // fails after a look at the bindings, later than its successors
			exchange = "amq.headers"
		case 6: // succeeds after one
			exchange, headers = "amq.headers", streams.Table{"n": 1}
		}
		body := fmt.Sprint(i)
		c, err := p.Publish(ctx, exchange, "q", streams.Message{Headers: headers, Body: []byte(body)}, streams.Mandatory)
		if err != nil {
			t.Fatal(err)
		}
		published = append(published, c)
		if i%10 != 5 {
			want = append(want, body)
		}
	}
	wantError(t, "flush", p.Flush(ctx), streams.ErrNoRoute)
	wantError(t, "flush again", p.Flush(ctx), nil)
	if !slices.Equal(confirmed, published) {
		t.Errorf("confirmed: got %d in another order, want the %d in order", len(confirmed), len(published))
	}
	for i, c := range published {
		var fails error
		if i%10 == 5 {
			fails = streams.ErrNoRoute
		}
		wantError(t, fmt.Sprint("future ", i), c.Wait(ctx), fails)
		wantError(t, fmt.Sprint("error of ", i), c.Err(), fails)
	}
	wantAnyOrder(t, "messages", drain(t, s, "q"), want...)
}

func TestFlushGivesTheFirstFailure(t *testing.T) {
	t.Parallel()
	s := one(t)
	p := publisher(t, s, streams.PublisherOptions{})
	wantError(t, "flush of nothing", p.Flush(t.Context()), nil)
	for _, key := range []string{"first", "second"} {
		if _, err := p.Publish(t.Context(), "", key, streams.Message{}, streams.Mandatory); err != nil {
			t.Fatal(err)
		}
	}
	var failure *streams.Error
	err := p.Flush(t.Context())
	if !errors.As(err, &failure) || failure.Code != 312 || failure.Detail != "no queue is bound to exchange '' for routing key 'first'" {
		t.Errorf("flush: got %v, want 312 of the first", err)
	}
}

// A publisher that never stops is flushed all the same.
func TestFlushWaitsForWhatWasPublishedBefore(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	var flushed atomic.Bool
	var p *streams.Publisher
	again := func() {
		if _, err := p.Publish(t.Context(), "", "q", streams.Message{}); err != nil {
			t.Errorf("publish: %v", err)
		}
	}
	p = publisher(t, s, streams.PublisherOptions{Confirmed: func(*streams.Confirm) {
		if !flushed.Load() {
			again()
		}
	}})
	again()
	err := p.Flush(t.Context())
	flushed.Store(true)
	wantError(t, "flush", err, nil)
	wantError(t, "the last flush", p.Flush(t.Context()), nil)
}

func TestPublisherWindowBoundsWhatIsOutstanding(t *testing.T) {
	t.Parallel()
	line := newLine(t, embeddedtest.Listen(t))
	s := open(t, line.connect(t))
	declareQueue(t, s, streams.Queue{Name: "q"})
	const window = 8
	p := publisher(t, s, streams.PublisherOptions{Window: window})
	line.stall(false, true)
	for i := range window {
		if _, err := p.Publish(t.Context(), "", "q", streams.Message{}); err != nil {
			t.Fatalf("publish %d: %v", i, err)
		}
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := p.Publish(ctx, "", "q", streams.Message{})
		wantError(t, "publish over the window", err, context.DeadlineExceeded)
		wantError(t, "flush", p.Flush(ctx), context.DeadlineExceeded)
		cancel()
	}
	line.stall(false, false)
	wantError(t, "flush", p.Flush(t.Context()), nil)
	if _, err := p.Publish(t.Context(), "", "q", streams.Message{}); err != nil {
		t.Errorf("publish with room again: %v", err)
	}
	wantError(t, "flush", p.Flush(t.Context()), nil)
	if got := len(drain(t, s, "q")); got != window+1 {
		t.Errorf("messages: got %d, want %d", got, window+1)
	}
	if _, err := s.Publisher(streams.PublisherOptions{Window: -1}); !errors.Is(err, streams.ErrPreconditionFailed) {
		t.Errorf("a negative window: got %v, want %v", err, streams.ErrPreconditionFailed)
	}
}

func TestStalledServerHoldsNobodyBeyondTheDeadline(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ window, body int }{{4, 10}, {1000, 10}, {1, 900_000}, {256, 10_000}, {64, 900_000}} {
		t.Run(fmt.Sprintf("window %d of %d bytes", test.window, test.body), func(t *testing.T) {
			t.Parallel()
			line := newLine(t, embeddedtest.Listen(t))
			nc := line.connect(t)
			s := openWith(t, nc, streams.Config{Timeout: 500 * time.Millisecond})
			declareQueue(t, s, streams.Queue{Name: "q"})
			p := publisher(t, s, streams.PublisherOptions{Window: test.window})
			m := streams.Message{Body: make([]byte, test.body)}
			back := nc.StatusChanged(nats.CONNECTED)
			defer nc.RemoveStatusListener(back)
			line.stall(true, true)
			within := func(what string, f func(ctx context.Context) error) error {
				t.Helper()
				const deadline, slack = 300 * time.Millisecond, 5 * time.Second
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				defer cancel()
				start := time.Now()
				err := f(ctx)
				if took := time.Since(start); took > deadline+slack {
					t.Errorf("%s: it took %v, want %v", what, took, deadline)
				}
				return err
			}
			var last error
			for range test.window + 1 {
				last = within("publish", func(ctx context.Context) error {
					_, err := p.Publish(ctx, "", "q", m)
					return err
				})
				if last != nil {
					break
				}
			}
			if err := within("flush", p.Flush); err == nil {
				t.Error("flush: got no error, want one")
			}
			for range 2 {
				err := within("publish one", func(ctx context.Context) error { return s.Publish(ctx, "", "q", m) })
				wantError(t, "publish one", err, context.DeadlineExceeded)
			}
			line.cut()
			<-back
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			wantError(t, "publish after the stall", s.Publish(ctx, "", "q", m), nil)
		})
	}
}

func TestLostConnectionLeavesMessagesUnconfirmed(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	line := newLine(t, server)
	s := openWith(t, line.connect(t), streams.Config{Timeout: time.Minute})
	declareQueue(t, s, streams.Queue{Name: "q"})
	p := publisher(t, s, streams.PublisherOptions{})
	line.lose(&line.down)
	const messages = 5
	var confirms []*streams.Confirm
	for range messages {
		c, err := p.Publish(t.Context(), "", "q", streams.Message{})
		if err != nil {
			t.Fatal(err)
		}
		confirms = append(confirms, c)
	}
	line.awaitLost(&line.down, publishAck, messages)
	line.cut()
	start := time.Now()
	for _, c := range confirms {
		wantError(t, "a message under way", c.Wait(t.Context()), streams.ErrUnconfirmed)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("unconfirmed after %v, want it soon after the connection is back", took)
	}
	wantError(t, "flush", p.Flush(t.Context()), streams.ErrUnconfirmed)
	publish(t, s, "", "q", "later", streams.Mandatory)
	if got := len(drain(t, s, "q")); got != messages+1 {
		t.Errorf("messages: got %d, want %d", got, messages+1)
	}
}

func TestPublishWaitsForTheConnection(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	nc := server.Connect(t)
	s := openWith(t, nc, streams.Config{Timeout: time.Minute})
	declareQueue(t, s, streams.Queue{Name: "q", Durable: true})
	declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Fanout, Durable: true})
	bind(t, s, streams.Binding{Exchange: "x", Queue: "q"})
	server.Stop(t)
	streams.AwaitOffline(s)
	for _, exchange := range []string{"", "amq.fanout", "x"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := s.Publish(ctx, exchange, "q", streams.Message{})
		wantError(t, "publish while disconnected", err, context.DeadlineExceeded)
		cancel()
	}
	p := publisher(t, s, streams.PublisherOptions{})
	done := make(chan error)
	for _, exchange := range []string{"", "x"} {
		m := streams.Message{DeliveryMode: streams.Persistent, Body: []byte(exchange)}
		go func() { done <- s.Publish(t.Context(), exchange, "q", m, streams.Mandatory) }()
		go func() {
			_, err := p.Publish(t.Context(), exchange, "q", m, streams.Mandatory)
			done <- err
		}()
	}
	server.Restart(t)
	for range 4 {
		wantError(t, "publish over a restart", <-done, nil)
	}
	wantError(t, "flush", p.Flush(t.Context()), nil)
	wantAnyOrder(t, "messages", drain(t, s, "q"), "", "", "x", "x")
}

// What was not durable ended with the broker; nobody may be told otherwise.
func TestPublishAfterARestartKnowsWhatIsGone(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	nc := server.Connect(t)
	s := openWith(t, nc, streams.Config{Timeout: time.Minute})
	declareQueue(t, s, streams.Queue{Name: "transient"})
	declareQueue(t, s, streams.Queue{Name: "durable", Durable: true})
	declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Fanout})
	bind(t, s, streams.Binding{Exchange: "x", Queue: "durable"})
	publish(t, s, "x", "", "before")
	server.Stop(t)
	streams.AwaitOffline(s)
	exchange, queue := make(chan error, 1), make(chan error, 1)
	go func() { exchange <- s.Publish(t.Context(), "x", "", streams.Message{}) }()
	go func() { queue <- s.Publish(t.Context(), "", "transient", streams.Message{}, streams.Mandatory) }()
	server.Restart(t)
	wantError(t, "publish to an exchange that was not durable", <-exchange, streams.ErrNotFound)
	wantError(t, "publish to a queue that was not durable", <-queue, streams.ErrNoRoute)
}
