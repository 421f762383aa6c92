package embeddedtest_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
)

func TestProcessSurvivesKill(t *testing.T) {
	t.Parallel()
	c := embeddedtest.Process(t, embedded.Config{})
	back := make(chan struct{}, 1)
	nc := c.Connect(t, nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
	for range 10 {
		publish(t, nc)
	}
	url := c.URL()

	c.Kill(t)
	if nc, err := nats.Connect(url); err == nil {
		nc.Close()
		t.Error("got a connection to a killed server, want an error")
	}
	c.Restart(t)
	<-back

	if got := c.URL(); got != url {
		t.Errorf("after restart got URL %q, want %q", got, url)
	}
	wantMessages(t, nc, 10)
}

func TestProcessStopsCleanly(t *testing.T) {
	t.Parallel()
	c := embeddedtest.Process(t, embedded.Config{User: "alice", Password: "secret"})
	publish(t, c.Connect(t))
	c.Stop(t)
	c.Stop(t)
	c.Kill(t)

	// The data is free for a server in this process.
	s := embeddedtest.Start(t, embedded.Config{Dir: c.Dir()})
	wantMessages(t, s.Connect(t), 1)
}
