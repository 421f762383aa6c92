package streams_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams"
)

// A rig is a session of a test, whose methods fail the test.
type rig struct {
	testing.TB
	*streams.Session
	ctx context.Context
}

func newRig(tb testing.TB, nc *nats.Conn, cfg streams.Config) rig {
	tb.Helper()
	s, err := streams.Open(tb.Context(), nc, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Errorf("close the session: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	tb.Cleanup(cancel)
	return rig{tb, s, ctx}
}

func (r rig) queue(q streams.Queue) string {
	r.Helper()
	info, err := r.DeclareQueue(r.ctx, q)
	if err != nil {
		r.Fatal(err)
	}
	return info.Name
}

func (r rig) exchange(name string, kind streams.Kind) {
	r.Helper()
	if err := r.DeclareExchange(r.ctx, streams.Exchange{Name: name, Kind: kind}); err != nil {
		r.Fatal(err)
	}
}

func (r rig) bind(exchange, queue, key string) {
	r.Helper()
	if err := r.Bind(r.ctx, streams.Binding{Exchange: exchange, Queue: queue, Key: key}); err != nil {
		r.Fatal(err)
	}
}

func (r rig) publish(exchange, key string, bodies ...string) {
	r.Helper()
	for _, body := range bodies {
		if err := r.Publish(r.ctx, exchange, key, streams.Message{Body: []byte(body)}); err != nil {
			r.Fatal(err)
		}
	}
}

// number publishes bodies "1" to "n" to a queue.
func (r rig) number(queue string, n int) {
	r.Helper()
	for i := 1; i <= n; i++ {
		r.publish("", queue, strconv.Itoa(i))
	}
}

func (r rig) consume(queue string, o streams.ConsumeOptions) *streams.Consumer {
	r.Helper()
	c, err := r.Consume(r.ctx, queue, o)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// take receives n deliveries of a consumer without settling them.
func (r rig) take(next func() (*streams.Delivery, error, bool), n int) []*streams.Delivery {
	r.Helper()
	list := make([]*streams.Delivery, 0, n)
	for len(list) < n {
		d, err, ok := next()
		if !ok || err != nil {
			r.Fatalf("delivery %d of %d: ok %t, err %v", len(list)+1, n, ok, err)
		}
		list = append(list, d)
	}
	return list
}

// get takes one message that must be there.
func (r rig) get(queue string) *streams.Delivery {
	r.Helper()
	d, ok, err := r.Get(r.ctx, queue)
	if err != nil {
		r.Fatal(err)
	}
	if !ok {
		r.Fatalf("get from %q: nothing there", queue)
	}
	return d
}

// drain takes and acknowledges everything a queue has ready.
func (r rig) drain(queue string) []string {
	r.Helper()
	bodies := []string{}
	for {
		d, ok, err := r.Get(r.ctx, queue, streams.AutoAck)
		if err != nil {
			r.Fatal(err)
		}
		if !ok {
			return bodies
		}
		bodies = append(bodies, string(d.Body))
	}
}

// until asks again until it is so.
func (r rig) until(what string, is func() bool) {
	r.Helper()
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		if is() {
			tick.Stop()
			return
		}
		if r.ctx.Err() != nil {
			r.Fatalf("not in a minute: %s", what)
		}
	}
}

// wantCounts checks what a queue holds.
func (r rig) wantCounts(queue string, ready, unacked, consumers int) {
	r.Helper()
	want := counts(ready, unacked, consumers)
	if got := r.counts(queue); got != want {
		r.Errorf("queue %q has %s; want %s", queue, got, want)
	}
}

// untilCounts waits until a queue holds that.
func (r rig) untilCounts(queue string, ready, unacked, consumers int) {
	r.Helper()
	want := counts(ready, unacked, consumers)
	r.until(fmt.Sprintf("queue %q has %s", queue, want), func() bool { return r.counts(queue) == want })
}

func (r rig) counts(queue string) string {
	r.Helper()
	info, err := r.InspectQueue(r.ctx, queue)
	if err != nil {
		r.Fatal(err)
	}
	return counts(info.Ready, info.Unacked, info.Consumers)
}

func counts(ready, unacked, consumers int) string {
	return fmt.Sprintf("%d ready, %d unacked, %d consumers", ready, unacked, consumers)
}

func bodies(list []*streams.Delivery) []string {
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = string(d.Body)
	}
	return out
}

func wantBodies(tb testing.TB, got []string, want ...string) {
	tb.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		tb.Errorf("got %v, want %v", got, want)
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func window(tb testing.TB, limit int) *streams.Window {
	tb.Helper()
	w, err := streams.NewWindow(limit)
	must(tb, err)
	return w
}
