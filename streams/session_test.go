package streams_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// open opens a session that is closed when the test ends.
func open(t *testing.T, nc *nats.Conn) *streams.Session {
	t.Helper()
	return openWith(t, nc, streams.Config{})
}

func openWith(t *testing.T, nc *nats.Conn, cfg streams.Config) *streams.Session {
	t.Helper()
	s, err := streams.Open(t.Context(), nc, cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { closeSession(t, s) })
	return s
}

func closeSession(t *testing.T, s *streams.Session) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Errorf("close: got %v, want no error", err)
	}
}

// two opens two sessions, each on a connection of its own to one server.
func two(t *testing.T) (*streams.Session, *streams.Session) {
	t.Helper()
	server := embeddedtest.Listen(t)
	return open(t, server.Connect(t)), open(t, server.Connect(t))
}

// one opens a session on a server of its own.
func one(t *testing.T) *streams.Session {
	t.Helper()
	return open(t, embeddedtest.Connect(t))
}

func declareQueue(t *testing.T, s *streams.Session, q streams.Queue) streams.QueueInfo {
	t.Helper()
	info, err := s.DeclareQueue(t.Context(), q)
	if err != nil {
		t.Fatalf("declare queue: %v", err)
	}
	return info
}

func declareExchange(t *testing.T, s *streams.Session, x streams.Exchange) {
	t.Helper()
	if err := s.DeclareExchange(t.Context(), x); err != nil {
		t.Fatalf("declare exchange: %v", err)
	}
}

func bind(t *testing.T, s *streams.Session, b streams.Binding) {
	t.Helper()
	if err := s.Bind(t.Context(), b); err != nil {
		t.Fatalf("bind: %v", err)
	}
}

func unbind(t *testing.T, s *streams.Session, b streams.Binding) {
	t.Helper()
	if err := s.Unbind(t.Context(), b); err != nil {
		t.Fatalf("unbind: %v", err)
	}
}

// publish publishes a body and nothing else.
func publish(t *testing.T, s *streams.Session, exchange, key, body string, flags ...streams.PublishFlag) {
	t.Helper()
	send(t, s, exchange, key, streams.Message{Body: []byte(body)}, flags...)
}

func send(t *testing.T, s *streams.Session, exchange, key string, m streams.Message, flags ...streams.PublishFlag) {
	t.Helper()
	if err := s.Publish(t.Context(), exchange, key, m, flags...); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

func inspect(t *testing.T, s *streams.Session, queue string) streams.QueueInfo {
	t.Helper()
	info, err := s.InspectQueue(t.Context(), queue)
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	return info
}

func consume(t *testing.T, s *streams.Session, queue string, o streams.ConsumeOptions) *streams.Consumer {
	t.Helper()
	c, err := s.Consume(t.Context(), queue, o)
	if err != nil {
		t.Fatalf("consume: %v", err)
	}
	return c
}

// get takes a message that must be there.
func get(t *testing.T, s *streams.Session, queue string) *streams.Delivery {
	t.Helper()
	d, ok, err := s.Get(t.Context(), queue)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if !ok {
		t.Fatalf("get from %q: got nothing, want a message", queue)
	}
	return d
}

// drain takes and acknowledges all that is ready, and gives the bodies.
func drain(t *testing.T, s *streams.Session, queue string) []string {
	t.Helper()
	var bodies []string
	for {
		d, ok, err := s.Get(t.Context(), queue, streams.AutoAck)
		if err != nil {
			t.Fatalf("get: %v", err)
		}
		if !ok {
			return bodies
		}
		bodies = append(bodies, string(d.Body))
	}
}

// receive acknowledges the next n deliveries of a consumer and gives their
// bodies.
func receive(t *testing.T, c *streams.Consumer, n int) []string {
	t.Helper()
	var bodies []string
	for len(bodies) < n {
		for d, err := range c.Deliveries(t.Context()) {
			if err != nil {
				t.Fatalf("receive: %v, after %q", err, bodies)
			}
			bodies = append(bodies, string(d.Body))
			if err := d.Ack(); err != nil {
				t.Fatalf("ack: %v", err)
			}
			if len(bodies) == n {
				return bodies
			}
		}
	}
	return bodies
}

// wantList compares bodies in order.
func wantList(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// wantAnyOrder compares bodies that came from several sources.
func wantAnyOrder(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	wantList(t, what, got, want...)
}

// wantError checks for a condition of AMQP; nil is success.
func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if want == nil && got == nil {
		return
	}
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func queueNames(t *testing.T, s *streams.Session) []string {
	t.Helper()
	list, err := s.Queues(t.Context())
	if err != nil {
		t.Fatalf("list queues: %v", err)
	}
	names := make([]string, len(list))
	for i, info := range list {
		names[i] = info.Name
	}
	return names
}

func exchangeNames(t *testing.T, s *streams.Session) []string {
	t.Helper()
	list, err := s.Exchanges(t.Context())
	if err != nil {
		t.Fatalf("list exchanges: %v", err)
	}
	names := make([]string, len(list))
	for i, x := range list {
		names[i] = x.Name
	}
	return names
}
