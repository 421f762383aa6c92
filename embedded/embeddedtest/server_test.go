package embeddedtest_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
)

func TestConnectHasJetStream(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	publish(t, nc)
	wantMessages(t, nc, 1)
}

func TestEachTestHasItsOwnServer(t *testing.T) {
	t.Parallel()
	one, other := embeddedtest.Connect(t), embeddedtest.Connect(t)
	publish(t, one)
	if _, err := newJetStream(t, other).Stream(t.Context(), "EVENTS"); err == nil {
		t.Error("got the other server's stream, want none")
	}
}

func TestListenIsReachedByURL(t *testing.T) {
	t.Parallel()
	s := embeddedtest.Listen(t)
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatalf("connect to %q: %v", s.URL(), err)
	}
	nc.Close()
}

func TestConnectAppliesCredentials(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]embedded.Config{
		"user in process":  {User: "alice", Password: "secret"},
		"token in process": {Token: "secret"},
		"user by port":     {User: "alice", Password: "secret", Port: embedded.RandomPort},
		"token by port":    {Token: "secret", Port: embedded.RandomPort},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			embeddedtest.Start(t, cfg).Connect(t)
		})
	}
}

func TestRestartKeepsDataPortAndConnections(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]embedded.Config{
		"in process": {},
		"by port":    {Port: embedded.RandomPort},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := embeddedtest.Start(t, cfg)
			back := make(chan struct{}, 1)
			nc := s.Connect(t, nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
			publish(t, nc)
			url := s.URL()

			s.Restart(t)
			<-back

			if got := s.URL(); got != url {
				t.Errorf("after restart got URL %q, want %q", got, url)
			}
			wantMessages(t, nc, 1)
		})
	}
}

func TestStoppedServerRestarts(t *testing.T) {
	t.Parallel()
	s := embeddedtest.Listen(t)
	s.Stop(t)
	s.Stop(t)
	if nc, err := nats.Connect(s.URL()); err == nil {
		nc.Close()
		t.Error("got a connection to a stopped server, want an error")
	}
	s.Restart(t)
	s.Connect(t)
}

func newJetStream(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// publish adds a message to the stream, which it makes if it is missing.
func publish(t *testing.T, nc *nats.Conn) {
	t.Helper()
	js := newJetStream(t, nc)
	if _, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS"}); err != nil {
		t.Fatalf("create stream: %v", err)
	}
	if _, err := js.Publish(t.Context(), "EVENTS", []byte("hello")); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

func wantMessages(t *testing.T, nc *nats.Conn, want uint64) {
	t.Helper()
	s, err := newJetStream(t, nc).Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatalf("look up stream: %v", err)
	}
	if got := s.CachedInfo().State.Msgs; got != want {
		t.Errorf("got %d messages, want %d", got, want)
	}
}
