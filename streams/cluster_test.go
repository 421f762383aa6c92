package streams_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestACluster goes the whole round on three servers with three replicas, and
// loses the leader of the queue in the middle of it.
func TestACluster(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.Cluster(t, 3)
	cfg := streams.Config{Replicas: 3, Lease: 2 * time.Second, Timeout: 20 * time.Second}
	sender := newRig(t, nodes.Connect(t, nats.ReconnectWait(20*time.Millisecond)), cfg)
	r := newRig(t, nodes.Connect(t, nats.ReconnectWait(20*time.Millisecond)), cfg)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	r.ctx, sender.ctx = ctx, ctx

	q := r.queue(streams.Queue{Name: "q", Durable: true})
	must(t, r.DeclareExchange(ctx, streams.Exchange{Name: "x", Kind: streams.Topic, Durable: true}))
	r.bind("x", q, "a.#.b")
	if err := sender.Publish(ctx, "x", "a.c", streams.Message{}, streams.Mandatory); !errors.Is(err, streams.ErrNoRoute) {
		t.Errorf("unroutable: %v, want 312", err)
	}
	next := r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: 5}))
	seen := make(map[string]bool)
	const total = 60
	for i := range total {
		if i == total/2 {
			stopLeader(ctx, t, nodes, "warren~x~x")
		}
		body := strconv.Itoa(i)
		for {
			err := sender.Publish(ctx, "x", "a.x.b", streams.Message{Body: []byte(body), DeliveryMode: streams.Persistent, MessageID: body}, streams.Deduplicate)
			if err == nil {
				break
			}
			if !errors.Is(err, streams.ErrUnconfirmed) {
				t.Fatalf("publish %d: %v", i, err)
			}
		}
	}
	for len(seen) < total {
		d := r.take(next, 1)[0]
		seen[string(d.Body)] = true
		must(t, d.Ack())
	}
}

// stopLeader stops the server that leads a stream.
func stopLeader(ctx context.Context, t *testing.T, nodes embeddedtest.Nodes, stream string) {
	t.Helper()
	js, err := jetstream.New(nodes.Connect(t))
	must(t, err)
	s, err := js.Stream(ctx, stream)
	must(t, err)
	t.Logf("stopping %s, the leader of %s", s.CachedInfo().Cluster.Leader, stream)
	nodes.Named(t, s.CachedInfo().Cluster.Leader).Stop(t)
}
