package streams_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

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
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
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
			stopLeader(t, nodes, "warren~x~x")
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
func stopLeader(t *testing.T, nodes embeddedtest.Nodes, stream string) {
	t.Helper()
	leader := embeddedtest.Leader(t, nodes.Connect(t), stream)
	t.Logf("stopping %s, the leader of %s", leader, stream)
	nodes.Named(t, leader).Stop(t)
}

// TestACallOutlivesAKilledServer: what is asked right after a server of a
// cluster was killed is answered once the others have agreed on new leaders.
func TestACallOutlivesAKilledServer(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.ProcessCluster(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := newRig(t, nodes.Connect(t), streams.Config{Replicas: 3, Timeout: 30 * time.Second})
	r.ctx = ctx
	const queues = 3
	for i := range queues {
		r.bind("amq.fanout", r.queue(streams.Queue{Name: strconv.Itoa(i), Durable: true}), "")
	}
	r.publish("amq.fanout", "", "to all")
	leader := embeddedtest.Leader(t, nodes.Connect(t), "warren~topology")
	nodes.Named(t, leader).Kill(t)
	start := time.Now()
	list, err := r.Queues(ctx)
	t.Logf("%s was killed; the queues were listed after %v", leader, time.Since(start).Round(time.Millisecond))
	must(t, err)
	for _, info := range list {
		if info.Ready != 1 {
			t.Errorf("queue %q: got %d ready, want 1", info.Name, info.Ready)
		}
	}
	if len(list) != queues {
		t.Errorf("queues: got %d, want %d", len(list), queues)
	}
}

// TestAStoreInACluster: whichever server answers, it knows what this store has
// written; of many that expect the same one wins; and when the leader goes, no
// follower misses a key.
func TestAStoreInACluster(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.Cluster(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cfg := streams.Config{Replicas: 3, Timeout: 20 * time.Second}
	s := openWith(t, nodes.Connect(t, nats.ReconnectWait(20*time.Millisecond)), cfg)
	store, err := s.DeclareStore(ctx, "store", streams.StoreOptions{})
	must(t, err)
	for i := range 50 {
		key := "read." + strconv.Itoa(i)
		revision := put(t, store, value(key, "v"))
		many, err := store.GetMany(ctx, []string{key, "missing"})
		must(t, err)
		if got := many[key].Revision; got != revision || len(many) != 1 {
			t.Fatalf("got %v at once after a write, want revision %d", many, revision)
		}
	}
	wins := make(chan error, 16)
	for range cap(wins) {
		go func() {
			_, err := store.Put(ctx, streams.Put{Key: "race", Expect: streams.Absent})
			wins <- err
		}()
	}
	won := 0
	for range cap(wins) {
		if err := <-wins; err == nil {
			won++
		} else {
			wantError(t, "race", err, streams.ErrConflict)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d won, want 1", won, cap(wins))
	}
	follows, notified, ready := newFollower(), newFollower(), make(chan struct{})
	unnotice, err := store.Notify(ctx, "k.*", notified.note)
	must(t, err)
	defer unnotice()
	following, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- store.Follow(following, "k.*", follows.note, func() { close(ready) }) }()
	<-ready
	want := []string{}
	for i := range 60 {
		if i == 30 {
			stopLeader(t, nodes, "warren~v~store")
		}
		key := "k." + strconv.Itoa(i)
		want = append(want, key)
		write(t, store, key)
	}
	wantList(t, "followed", follows.await(t, "k.59"), want...)
	wantList(t, "notified", notified.await(t, "k.59"), want...)
	stop()
	wantError(t, "follow", <-ended, context.Canceled)
}
