//go:build unix

package streams_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// upheaval binds queues from two sessions while something happens to the servers, of
// which one leads what is there. No call fails, and every binding is there once.
func upheaval(t *testing.T, at *nats.Conn, leader *embeddedtest.Child, happens func(ctx context.Context)) {
	t.Helper()
	const queues = 6
	cfg := streams.Config{Replicas: 3, Timeout: time.Minute}
	sessions := []rig{newRig(t, at, cfg), newRig(t, at, cfg)}
	r := sessions[0]
	must(t, r.DeclareExchange(r.ctx, streams.Exchange{Name: "x", Kind: streams.Fanout, Durable: true}))
	names := make([]string, queues)
	for i := range names {
		names[i] = r.queue(streams.Queue{Name: strconv.Itoa(i), Durable: true})
		r.bind("x", names[i], "")
	}
	embeddedtest.Lead(t, at, leader.Name())
	want := make([]string, 0)
	over := make(chan struct{})
	var mu sync.Mutex
	var all sync.WaitGroup
	for i, q := range append(names, names[0]) {
		all.Go(func() {
			bound := bindOn(sessions[i%2], q, strconv.Itoa(i), over)
			mu.Lock()
			defer mu.Unlock()
			want = append(want, bound...)
		})
	}
	happens(r.ctx)
	close(over)
	all.Wait()
	list, err := r.Bindings(r.ctx)
	must(t, err)
	var got []string
	for _, b := range list {
		if b.Exchange == "x" && b.Key != "" {
			got = append(got, b.Queue+" "+b.Key)
		}
	}
	wantAnyOrder(t, "bindings", got, want...)
	r.publish("x", "key", "once")
	for _, q := range names {
		wantBodies(t, r.drain(q), "once")
	}
}

// bindOn binds a queue with one key after another, and says what it has bound. All
// are as good for a fanout exchange: there is little to do beside the records.
func bindOn(r rig, queue, prefix string, over <-chan struct{}) (bound []string) {
	for n := 0; ; n++ {
		key := prefix + "." + strconv.Itoa(n)
		if err := r.Bind(r.ctx, streams.Binding{Exchange: "x", Queue: queue, Key: key}); err != nil {
			r.Errorf("bind: %v", err)
			return bound
		}
		bound = append(bound, queue+" "+key)
		select {
		case <-over:
			return bound
		default:
		}
	}
}

// TestConflict_AWriteThatIsUndecidedIsNone: what a leader has begun to write, and
// cannot agree on with the others, is written in the end, although it was sent again
// meanwhile.
func TestConflict_AWriteThatIsUndecidedIsNone(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.ProcessCluster(t, 3)
	nc := nodes[0].Connect(t)
	r := newRig(t, nc, streams.Config{Replicas: 3, Timeout: time.Minute})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	store, err := r.DeclareStore(r.ctx, "store", streams.StoreOptions{})
	must(t, err)
	revision := put(t, store, value("key", "v"))
	embeddedtest.Lead(t, nc, nodes[0].Name())
	stored := make(chan error, 1)
	var once sync.Once
	must(t, streams.Rewrite(r.ctx, r.Session, q, func() {
		once.Do(func() {
			for _, follower := range nodes[1:] {
				follower.Pause(t)
			}
			sub, err := nc.SubscribeSync("warren.topology.q.>")
			must(t, err)
			go func() {
				_, err := store.Put(r.ctx, streams.Put{Key: "key", Expect: streams.Revision(revision)})
				stored <- err
			}()
			go func() {
				untilSentAgain(r.ctx, t, sub)
				for _, follower := range nodes[1:] {
					follower.Resume(t)
				}
			}()
		})
	}))
	must(t, <-stored)
}

// untilSentAgain waits until a write to a record was sent and sent again.
func untilSentAgain(ctx context.Context, t *testing.T, sub *nats.Subscription) {
	t.Helper()
	seen := make(map[string]bool)
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		write := msg.Header.Get("Warren-Write")
		if seen[write] {
			return
		}
		seen[write] = true
	}
}

// TestConflict_NoneReachesTheCallerOfBindAsLeadersGo: the one of everything is killed,
// and the next ones step down.
func TestConflict_NoneReachesTheCallerOfBindAsLeadersGo(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.ProcessCluster(t, 3)
	victim, others := nodes[0], nodes[1:]
	nc := others.Connect(t)
	upheaval(t, nc, victim, func(ctx context.Context) {
		victim.Kill(t)
		untilNobodyHears(ctx, t, nc, "warren.live.probe")
		for range 3 {
			try, cancel := context.WithTimeout(ctx, time.Second)
			_, err := nc.RequestWithContext(try, "$JS.API.STREAM.LEADER.STEPDOWN.warren~topology", nil)
			cancel()
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
	})
}
