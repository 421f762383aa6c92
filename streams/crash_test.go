package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// shortMarkers lets markers go while a test waits for that.
var shortMarkers = streams.StoreOptions{MarkerTTL: time.Second}

// until asks again and again, until it is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.After(time.Minute)
	for !so() {
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("%s: it was not so within a minute", what)
		}
	}
}

// forgotten waits until nothing is left of a key, its marker neither.
func forgotten(t *testing.T, store *streams.Store, key string) {
	t.Helper()
	until(t, "key "+key+" is forgotten", func() bool {
		e, err := store.Get(t.Context(), key)
		return errors.Is(err, streams.ErrNoEntry) && e.Revision == 0
	})
}

// A crash is a broker that is killed after a clean restart and one write more.
type crash struct{ *embeddedtest.Child }

// kill restarts the broker, which writes its index, has something written that the
// index does not have, and kills it: the next start reads the files anew.
func (c crash) kill(t *testing.T, write func()) {
	t.Helper()
	c.Restart(t)
	write()
	c.Kill(t)
	c.Restart(t)
}

func startCrash(t *testing.T) (crash, *nats.Conn) {
	t.Helper()
	c := crash{embeddedtest.Process(t, embedded.Config{})}
	return c, c.Connect(t, nats.ReconnectWait(10*time.Millisecond))
}

// TestStore_WhatIsGoneStaysGoneAfterAKill: what was deleted, and what expired, does
// not come back when its marker has gone and the broker is killed.
func TestStore_WhatIsGoneStaysGoneAfterAKill(t *testing.T) {
	t.Parallel()
	broker, nc := startCrash(t)
	store := declareStore(t, newRig(t, nc, streams.Config{Timeout: time.Minute}).Session, shortMarkers)
	for _, v := range []string{"1", "2", "3"} {
		for _, key := range []string{"deleted", "expired", "kept", "purged"} {
			p := value(key, v)
			if key == "expired" {
				p.TTL = time.Second
			}
			put(t, store, p)
		}
	}
	must(t, store.Delete(t.Context(), "deleted"))
	_, err := store.Purge(t.Context(), "purged")
	must(t, err)
	forgotten(t, store, "deleted")
	forgotten(t, store, "expired")
	broker.kill(t, func() { put(t, store, value("other", "1")) })
	for key, want := range map[string]string{"deleted": "", "expired": "", "purged": "", "kept": "3", "other": "1"} {
		e, err := store.Get(t.Context(), key)
		if string(e.Value) != want || (want == "") != errors.Is(err, streams.ErrNoEntry) {
			t.Errorf("%s: got %q, %v; want %q", key, e.Value, err, want)
		}
	}
}

// TestTopology_WhatWasDeletedStaysGoneAfterAKill: a queue and an exchange that were
// deleted while others were there.
func TestTopology_WhatWasDeletedStaysGoneAfterAKill(t *testing.T) {
	t.Parallel()
	broker, nc := startCrash(t)
	r := newRig(t, nc, streams.Config{Timeout: time.Minute})
	ctx := context.Background()
	for _, name := range []string{"kept", "deleted"} {
		r.queue(streams.Queue{Name: name, Durable: true})
		must(t, r.DeclareExchange(ctx, streams.Exchange{Name: name, Kind: streams.Fanout, Durable: true}))
		r.bind(name, name, "")
	}
	must(t, r.DeleteExchange(ctx, "deleted"))
	_, err := r.DeleteQueue(ctx, "deleted")
	must(t, err)
	broker.kill(t, func() { r.queue(streams.Queue{Name: "other", Durable: true}) })
	wantList(t, "queues", queueNames(t, r.Session), "kept", "other")
	exchanges, err := r.Exchanges(ctx)
	must(t, err)
	for _, x := range exchanges {
		if x.Name == "deleted" {
			t.Errorf("exchange %q came back", x.Name)
		}
	}
	// Declared otherwise: what comes back would be 406.
	must(t, r.DeclareExchange(ctx, streams.Exchange{Name: "deleted", Kind: streams.Direct}))
	r.queue(streams.Queue{Name: "deleted"})
}
