package embeddedtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
)

func TestClusterOutlivesOneOfThree(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.Cluster(t, 3)
	js := newJetStream(t, nodes.Connect(t))
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Replicas: 3})
	if err != nil {
		t.Fatalf("create stream with three replicas: %v", err)
	}
	if _, err := js.Publish(t.Context(), "EVENTS", []byte("before")); err != nil {
		t.Fatal(err)
	}

	leader := nodes.Named(t, s.CachedInfo().Cluster.Leader)
	leader.Stop(t)
	publishOnce(t, js, "after")

	leader.Restart(t)
	nodes.Wait(t)
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := info.State.Msgs; got != 2 {
		t.Errorf("got %d messages, want 2", got)
	}
	for _, r := range info.Cluster.Replicas {
		if !r.Current {
			t.Errorf("replica %s: got %d messages behind, want it current", r.Name, r.Lag)
		}
	}
}

// TestClusterOutlivesAKilledProcess: what was confirmed is there when the leader has
// been killed, and has come back.
func TestClusterOutlivesAKilledProcess(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.ProcessCluster(t, 3)
	nc := nodes.Connect(t)
	js := newJetStream(t, nc)
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Replicas: 3})
	if err != nil {
		t.Fatalf("create stream with three replicas: %v", err)
	}
	publishOnce(t, js, "before")
	leader := nodes.Named(t, embeddedtest.Leader(t, nc, "EVENTS"))
	leader.Kill(t)
	publishOnce(t, js, "after")
	leader.Restart(t)
	publishOnce(t, js, "with all")
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := info.State.Msgs; got != 3 {
		t.Errorf("got %d messages, want 3", got)
	}
}

func TestOneServerLeadsThemAll(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.Cluster(t, 3)
	nc := nodes.Connect(t)
	js := newJetStream(t, nc)
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Replicas: 3})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "reader"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Name: "alone", Replicas: 1, MemoryStorage: true}); err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		embeddedtest.Lead(t, nc, node.Name())
		stream, err := s.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		consumer, err := c.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, leader := range []string{stream.Cluster.Leader, consumer.Cluster.Leader} {
			if leader != node.Name() {
				t.Errorf("led by %s, want %s", leader, node.Name())
			}
		}
	}
}

// publishOnce tries until one of the servers leads the stream; the message's ID
// keeps an attempt that came through unacknowledged from counting twice.
func publishOnce(t *testing.T, js jetstream.JetStream, body string) {
	t.Helper()
	var err error
	for range 30 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err = js.Publish(ctx, "EVENTS", []byte(body), jetstream.WithMsgID(body))
		cancel()
		if err == nil {
			return
		}
	}
	t.Fatalf("publish %q: %v", body, err)
}
