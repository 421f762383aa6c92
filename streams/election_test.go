package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestACallOutlivesAnElection: what is asked while no stream, and no consumer of
// one, has a leader is done once they have.
func TestACallOutlivesAnElection(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.ProcessCluster(t, 3)
	victim, others := nodes[0], nodes[1:]
	nc := others.Connect(t)
	r := newRig(t, nc, streams.Config{Replicas: 3, Timeout: time.Minute})
	store, err := r.DeclareStore(r.ctx, "store", streams.StoreOptions{})
	must(t, err)
	put(t, store, value("key", "v"))
	put(t, store, value("purged.key", "v"))
	put(t, store, value("deleted", "v"))
	for _, name := range []string{"consumed", "got", "inspected", "purged", "deleted", "bound", "published", "later", "all"} {
		r.queue(streams.Queue{Name: name, Durable: true, Schedules: name == "later"})
		must(t, r.Publish(r.ctx, "", name, streams.Message{DeliveryMode: streams.Persistent, Body: []byte(name)}))
	}
	calls := map[string]func(ctx context.Context) error{
		"open": func(ctx context.Context) error {
			s, err := streams.Open(ctx, nc, streams.Config{Replicas: 3})
			if err == nil {
				err = s.Close(ctx)
			}
			return err
		},
		"declare a queue": func(ctx context.Context) error {
			_, err := r.DeclareQueue(ctx, streams.Queue{Name: "declared", Durable: true})
			return err
		},
		"declare an exchange": func(ctx context.Context) error {
			return r.DeclareExchange(ctx, streams.Exchange{Name: "declared", Kind: streams.Topic, Durable: true})
		},
		"declare a store": func(ctx context.Context) error {
			_, err := r.DeclareStore(ctx, "declared", streams.StoreOptions{})
			return err
		},
		"bind": func(ctx context.Context) error {
			return r.Bind(ctx, streams.Binding{Exchange: "amq.topic", Queue: "bound", Key: "key"})
		},
		"consume": func(ctx context.Context) error {
			c, err := r.Consume(ctx, "consumed", streams.ConsumeOptions{Prefetch: 1})
			if err != nil {
				return err
			}
			for d, err := range c.Deliveries(ctx) {
				return errors.Join(err, is("delivery", string(d.Body), "consumed"), d.Ack())
			}
			return ctx.Err()
		},
		"get": func(ctx context.Context) error {
			d, ok, err := r.Get(ctx, "got", streams.AutoAck)
			if !ok {
				return errors.Join(err, errors.New("nothing was there"))
			}
			return errors.Join(err, is("message", string(d.Body), "got"))
		},
		"inspect": func(ctx context.Context) error {
			info, err := r.InspectQueue(ctx, "inspected")
			return errors.Join(err, is("ready", info.Ready, 1))
		},
		"purge": func(ctx context.Context) error {
			n, err := r.PurgeQueue(ctx, "purged")
			return errors.Join(err, is("purged", n, 1))
		},
		"delete": func(ctx context.Context) error {
			_, err := r.DeleteQueue(ctx, "deleted")
			return err
		},
		"publish": func(ctx context.Context) error {
			return r.Publish(ctx, "", "published", streams.Message{}, streams.Mandatory)
		},
		"publish for later": func(ctx context.Context) error {
			return r.PublishAt(ctx, time.Now().Add(time.Hour), "later", "id", streams.Message{})
		},
		"publish all": func(ctx context.Context) error {
			return r.PublishAll(ctx, "", "all", make([]streams.Message, 2))
		},
		"put": func(ctx context.Context) error {
			_, err := store.Put(ctx, streams.Put{Key: "put", Expect: streams.Absent})
			return err
		},
		"delete from a store": func(ctx context.Context) error { return store.Delete(ctx, "deleted") },
		"purge a store": func(ctx context.Context) error {
			n, err := store.Purge(ctx, "purged.*")
			return errors.Join(err, is("purged", n, 1))
		},
		"get from a store": func(ctx context.Context) error {
			_, err := store.Get(ctx, "key")
			return err
		},
		"get many": func(ctx context.Context) error {
			_, err := store.GetMany(ctx, []string{"key"})
			return err
		},
		"range": func(ctx context.Context) error {
			keys, err := store.Keys(ctx, "key")
			return errors.Join(err, is("keys", fmt.Sprint(keys), "[key]"))
		},
	}
	embeddedtest.Lead(t, nc, victim.Name())
	victim.Kill(t)
	untilNobodyHears(r.ctx, t, nc, "warren.live.probe")
	start := time.Now()
	var wg sync.WaitGroup
	for name, call := range calls {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
			defer cancel()
			err := call(ctx)
			t.Logf("%-20s %v", name, time.Since(start).Round(time.Millisecond))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
}

// is says what is not as it should be.
func is[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: got %v, want %v", what, got, want)
	}
	return nil
}

// untilNobodyHears waits until the servers know that the leader of a subject's
// stream has gone.
func untilNobodyHears(ctx context.Context, t *testing.T, nc *nats.Conn, subject string) {
	t.Helper()
	for {
		try, cancel := context.WithTimeout(ctx, time.Second)
		_, err := nc.RequestWithContext(try, subject, nil)
		cancel()
		if errors.Is(err, nats.ErrNoResponders) {
			return
		}
		must(t, ctx.Err())
	}
}

// TestConsumersThatShareAWindowOutliveALeader: nothing is lost or held for ever of
// what consumers have that share windows when the leader of all their queues is
// killed, to which some are connected and some are not.
func TestConsumersThatShareAWindowOutliveALeader(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.ProcessCluster(t, 3)
	victim, others := nodes[0], nodes[1:]
	cfg := streams.Config{Replicas: 3, Lease: 2 * time.Second, Timeout: time.Minute}
	nc := others.Connect(t)
	r := newRig(t, nc, cfg)
	cutOff := newRig(t, nodes.Connect(t, nats.DontRandomize()), cfg)
	turns := map[string]streams.Turn{"high": {Rank: 1}, "heavy": {Group: "heavy", Weight: 3}, "light": {Group: "light"}}
	for q := range turns {
		r.queue(streams.Queue{Name: q, Durable: true})
	}
	const each = 100
	arrived := make(chan *streams.Delivery, 3*each)
	var windows []*streams.Window
	for _, session := range []rig{r, cutOff} {
		w := window(t, 3)
		windows = append(windows, w)
		for q, turn := range turns {
			session.consume(q, streams.ConsumeOptions{Window: w, Turn: turn, Push: func(d *streams.Delivery) { arrived <- d }})
		}
	}
	embeddedtest.Lead(t, nc, victim.Name())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for n := range each {
			for q := range turns {
				publishUntilConfirmed(r, q, q+" "+strconv.Itoa(n))
			}
		}
	}()
	seen := make(map[string]bool)
	var killed time.Time
	for len(seen) < len(turns)*each {
		d := next(r, arrived)
		seen[string(d.Body)] = true
		if len(seen) == each && killed.IsZero() {
			victim.Kill(t) // with what is held, and asked for
			killed = time.Now()
		}
		must(t, d.Ack())
	}
	<-sent
	t.Logf("all had come %v after the leader was killed", time.Since(killed).Round(time.Millisecond))
	for q := range turns {
		untilDrained(r, q, arrived)
	}
	for i, w := range windows {
		if used := w.Used(); used != 0 {
			t.Errorf("window %d has %d used after all is settled", i, used)
		}
	}
}

// publishUntilConfirmed publishes a message once, however often it takes: what was
// under way to a leader that is killed is not answered.
func publishUntilConfirmed(r rig, q, body string) {
	m := streams.Message{DeliveryMode: streams.Persistent, MessageID: body, Body: []byte(body)}
	for {
		try, cancel := context.WithTimeout(r.ctx, 2*time.Second)
		err := r.Publish(try, "", q, m, streams.Deduplicate)
		cancel()
		if err == nil {
			return
		}
		if !errors.Is(err, streams.ErrUnconfirmed) && !errors.Is(err, context.DeadlineExceeded) || r.ctx.Err() != nil {
			r.Errorf("publish %s: %v", body, err)
			return
		}
	}
}

// untilDrained settles what comes again of a queue, because its ack was lost, until
// nothing is left of it.
func untilDrained(r rig, q string, arrived <-chan *streams.Delivery) {
	r.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case d := <-arrived:
			must(r, d.Ack())
			continue
		case <-look.C:
		}
		info, err := r.InspectQueue(r.ctx, q)
		must(r, err)
		if info.Ready+info.Unacked == 0 {
			return
		}
	}
}
