package main

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// A brokerProcess is 'warren serve' in a process of its own, which can be killed
// and started again on the same data and the same port.
type brokerProcess struct {
	*command
	args  []string
	url   string
	clock *embeddedtest.Clock // nil where it is that of the test
}

func serveProcess(t *testing.T, more ...string) *brokerProcess {
	t.Helper()
	return serveClocked(t, nil, more...)
}

// serveClocked is serveProcess with a clock of its own.
func serveClocked(t *testing.T, clock *embeddedtest.Clock, more ...string) *brokerProcess {
	t.Helper()
	port := strconv.Itoa(embeddedtest.Port(t))
	b := &brokerProcess{
		args: append([]string{"serve", "--dir", t.TempDir(), "--port", port}, more...),
		url:  "nats://127.0.0.1:" + port, clock: clock,
	}
	t.Cleanup(func() { b.kill(t) })
	b.restart(t)
	return b
}

// restart starts it again, after it was killed.
func (b *brokerProcess) restart(t *testing.T) {
	t.Helper()
	if b.clock == nil {
		b.command = start(t, nil, "warren", b.args...)
	} else {
		b.command = startClocked(t, b.clock, nil, "warren", b.args...)
	}
	b.awaitLine(t, "Warren is ready")
}

// dial connects to a broker as patiently as the commands do, and sooner.
func dial(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.Timeout(10*time.Second),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // connections are meant to break here
		nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// A client is a session of the test, whose methods fail the test.
type client struct {
	*streams.Session
	nc *nats.Conn
	t  *testing.T
}

func openClient(t *testing.T, url string, cfg streams.Config) client {
	t.Helper()
	nc := dial(t, url)
	s, err := streams.Open(context.Background(), nc, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close session: %v", err)
		}
	})
	return client{s, nc, t}
}

func (c client) queue(q streams.Queue) {
	c.t.Helper()
	if _, err := c.DeclareQueue(c.t.Context(), q); err != nil {
		c.t.Fatal(err)
	}
}

// send publishes messages "1" to "n" to a queue.
func (c client) send(queue string, n int) *tally {
	c.t.Helper()
	sent := newTally()
	for i := 1; i <= n; i++ {
		m := streams.Message{Body: []byte(strconv.Itoa(i)), DeliveryMode: streams.Persistent}
		if err := c.Publish(c.t.Context(), "", queue, m); err != nil {
			c.t.Fatal(err)
		}
		sent.note(strconv.Itoa(i))
	}
	return sent
}

func (c client) inspect(queue string) streams.QueueInfo {
	c.t.Helper()
	info, err := c.InspectQueue(c.t.Context(), queue)
	if err != nil {
		c.t.Fatal(err)
	}
	return info
}

// wantEmpty checks that a queue has nothing and nobody.
func (c client) wantEmpty(queue string) {
	c.t.Helper()
	if info := c.inspect(queue); info.Ready != 0 || info.Unacked != 0 || info.Consumers != 0 {
		c.t.Errorf("queue %q has %d ready, %d unacknowledged, %d consumers; want none", queue, info.Ready, info.Unacked, info.Consumers)
	}
}
