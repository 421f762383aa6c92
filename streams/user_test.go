package streams_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestWhoJoinsAsTheLastLeavesStays: a consumer or a Get that begins while the
// last consumer of the session ends is missed by nobody.
func TestWhoJoinsAsTheLastLeavesStays(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	r := newRig(t, server.Connect(t), streams.Config{})
	other := newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 1)
	for round := range 60 {
		leaving := r.consume(q, streams.ConsumeOptions{Prefetch: 1, Push: func(d *streams.Delivery) { _ = d.Nack(streams.Requeue) }})
		var joining sync.WaitGroup
		joining.Go(func() {
			if err := leaving.Cancel(r.ctx); err != nil {
				t.Error(err)
			}
		})
		if round%2 == 0 {
			held := make(chan *streams.Delivery, 1)
			staying := r.consume(q, streams.ConsumeOptions{Prefetch: 1, Push: func(d *streams.Delivery) { held <- d }})
			joining.Wait()
			d := <-held
			other.wantCounts(q, 0, 1, 1)
			must(t, staying.Cancel(r.ctx))
			must(t, d.Nack(streams.Requeue))
		} else {
			d, ok, err := r.Get(r.ctx, q)
			must(t, err)
			joining.Wait()
			if ok {
				other.wantCounts(q, 0, 1, 0)
				must(t, d.Nack(streams.Requeue))
			}
		}
		if t.Failed() {
			t.Fatalf("in round %d", round+1)
		}
	}
}

// TestOneOfTwoConsumersGetsTheTag: of many consumers that ask for one tag at
// once, one has it, and the others are refused.
func TestOneOfTwoConsumersGetsTheTag(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	for i := range 4 {
		r.queue(streams.Queue{Name: strconv.Itoa(i)})
	}
	for range 20 {
		var asking sync.WaitGroup
		results := make([]error, 4)
		consumers := make([]*streams.Consumer, 4)
		for i := range results {
			asking.Go(func() {
				consumers[i], results[i] = r.Consume(r.ctx, strconv.Itoa(i), streams.ConsumeOptions{Tag: "tag"})
			})
		}
		asking.Wait()
		began := 0
		for i, err := range results {
			if err == nil {
				began++
				must(t, consumers[i].Cancel(r.ctx))
			} else if !errors.Is(err, streams.ErrNotAllowed) {
				t.Errorf("consume: got %v, want 530", err)
			}
		}
		if began != 1 {
			t.Fatalf("%d consumers began with one tag, want 1", began)
		}
	}
}

// TestATagIsFreeAgain: when its consumer was refused, cancelled, or its queue
// deleted.
func TestATagIsFreeAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	o := streams.ConsumeOptions{Tag: "tag"}
	if _, err := r.Consume(r.ctx, "missing", o); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("consume a queue that is not there: got %v, want 404", err)
	}
	q := r.queue(streams.Queue{Name: "q"})
	must(t, r.consume(q, o).Cancel(r.ctx))
	gone := r.consume(q, o)
	if _, err := r.DeleteQueue(r.ctx, q); err != nil {
		t.Fatal(err)
	}
	<-gone.Done()
	r.queue(streams.Queue{Name: "q"})
	r.consume(q, o)
	r.wantCounts(q, 0, 0, 1)
}

// TestAConsumerThatBeginsAsItsSessionEnds is ended too, or refused.
func TestAConsumerThatBeginsAsItsSessionEnds(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	nc := server.Connect(t)
	r := newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	for range 30 {
		s, err := streams.Open(r.ctx, nc, streams.Config{})
		must(t, err)
		var closing sync.WaitGroup
		closing.Go(func() {
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		c, err := s.Consume(r.ctx, q, streams.ConsumeOptions{})
		if err == nil {
			<-c.Done()
		} else if !errors.Is(err, streams.ErrClosed) {
			t.Errorf("consume in a session that closes: got %v, want ErrClosed", err)
		}
		closing.Wait()
		r.wantCounts(q, 0, 0, 0)
	}
}

// TestNothingIsLeftOfTheUseOfADeletedQueue: neither of Gets, which nobody
// cancels, nor of consumers that nobody has cancelled.
func TestNothingIsLeftOfTheUseOfADeletedQueue(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		nc := server.Connect(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		other := newRig(t, server.Connect(t), streams.Config{})
		other.ctx = t.Context()
		must(t, r.Publish(r.ctx, "", "nobody", streams.Message{})) // from here on it has the inbox of its confirms
		inboxes := nc.NumSubscriptions()
		for _, by := range []rig{r, other} {
			q := r.queue(streams.Queue{Name: "q"})
			r.number(q, 2)
			r.get(q)
			r.consume(q, streams.ConsumeOptions{Push: func(*streams.Delivery) {}})
			if _, err := by.DeleteQueue(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			wantList(t, "registrations", registrations(t, nc))
			if got := nc.NumSubscriptions(); got != inboxes {
				t.Errorf("subscriptions: got %d, want %d as before", got, inboxes)
			}
		}
	})
}

func stream(t *testing.T, nc *nats.Conn, name string) (jetstream.Stream, error) {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	return js.Stream(t.Context(), name)
}

// registrations are the subjects of those the broker has.
func registrations(t *testing.T, nc *nats.Conn) []string {
	t.Helper()
	live, err := stream(t, nc, "warren~live")
	must(t, err)
	info, err := live.Info(t.Context(), jetstream.WithSubjectFilter("warren.live.user.*.*"))
	must(t, err)
	return slices.Collect(maps.Keys(info.State.Subjects))
}
