package streams_test

import (
	"errors"
	"strings"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// What a session that acts for somebody else's client needs: the client's user, its
// name of the virtual host, and ends of consumers that are told and in order.

func TestConsumer_CloseHandsBackWhatItHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	queue := r.queue(streams.Queue{})
	r.number(queue, 5)
	came := make(chan *streams.Delivery, 5)
	c := r.consume(queue, streams.ConsumeOptions{Prefetch: 3, Push: func(d *streams.Delivery) { came <- d }})
	first, _, _ := <-came, <-came, <-came
	for range 2 { // closing twice is closing once
		if err := c.Close(r.ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Ack(); !errors.Is(err, streams.ErrPreconditionFailed) {
		t.Errorf("settling what was handed back: %v, want 406", err)
	}
	r.wantCounts(queue, 5, 0, 0)
	if got := strings.Join(r.drain(queue), " "); got != "1 2 3 4 5" {
		t.Errorf("the queue has %s", got)
	}
}

func TestConsumer_CancelledTellsOnceWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	kept, gone := r.queue(streams.Queue{}), r.queue(streams.Queue{})
	told := make(chan error, 2)
	tell := func(err error) { told <- err }
	r.consume(gone, streams.ConsumeOptions{Cancelled: tell})
	mine := r.consume(kept, streams.ConsumeOptions{Cancelled: tell})
	if err := mine.Cancel(r.ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := r.DeleteQueue(r.ctx, gone); err != nil {
		t.Fatal(err)
	}
	if err := <-told; !errors.Is(err, streams.ErrCancelled) || !strings.Contains(err.Error(), gone) {
		t.Errorf("told %v, want ErrCancelled of %s", err, gone)
	}
	if len(told) > 0 {
		t.Errorf("told of one more: %v", <-told)
	}
}

func TestSession_UserIsWhoMayPublish(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{User: "alice"})
	queue := r.queue(streams.Queue{})
	if err := r.Publish(r.ctx, "", queue, streams.Message{UserID: "alice"}); err != nil {
		t.Error(err)
	}
	if err := r.Publish(r.ctx, "", queue, streams.Message{UserID: "bob"}); !errors.Is(err, streams.ErrPreconditionFailed) {
		t.Errorf("another user: %v, want 406", err)
	}
}

func TestSession_ShownVHostIsInErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{ShownVHost: "/"})
	_, err := r.InspectQueue(r.ctx, "none")
	if want := "no queue 'none' in vhost '/'"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	queue := r.queue(streams.Queue{Name: "q"})
	_, err = r.DeclareQueue(r.ctx, streams.Queue{Name: queue, Durable: true})
	if want := "queue 'q' in vhost '/'"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestConfig_ValidateIsWhatOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, cfg := range []streams.Config{{VHost: "no name"}, {Replicas: 6}, {Lease: 1}, {Timeout: -1}} {
		refused := cfg.Validate()
		_, err := streams.Open(t.Context(), embeddedtest.Connect(t), cfg)
		if refused == nil || !errors.Is(err, refused) && !strings.Contains(err.Error(), refused.Error()) {
			t.Errorf("%+v: Validate says %v, Open %v", cfg, refused, err)
		}
	}
	if err := (streams.Config{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
}
