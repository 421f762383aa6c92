package streams_test

import (
	"errors"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// What a RabbitMQ does and Warren once did otherwise: each of these was found by
// doing the same to both.

func TestUnbindWhatIsNotThereSucceeds(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	must(t, r.Unbind(r.ctx, streams.Binding{Exchange: "missing", Queue: "missing", Key: "a"}))
	q := r.queue(streams.Queue{Name: "q"})
	must(t, r.Unbind(r.ctx, streams.Binding{Exchange: "missing", Queue: q}))
	must(t, r.Unbind(r.ctx, streams.Binding{Exchange: "amq.topic", Queue: "missing"}))
}

func TestDefaultExchangeCannotBeChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	if err := r.CheckExchange(r.ctx, ""); !errors.Is(err, streams.ErrAccessRefused) {
		t.Errorf("check the default exchange: got %v, want 403", err)
	}
}

func TestDeleteIfEmptyLooksAtReadyMessagesAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.publish("", q, "held")
	d := r.get(q)
	if _, err := r.DeleteQueue(r.ctx, q, streams.IfEmpty); err != nil {
		t.Errorf("delete a queue whose only message is held: %v", err)
	}
	must(t, d.Ack())
}

func TestDeliveryOfADeletedQueueLeavesTheNextAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.publish("", q, "old")
	old := r.get(q)
	if _, err := r.DeleteQueue(r.ctx, q); err != nil {
		t.Fatal(err)
	}
	r.queue(streams.Queue{Name: "q"})
	r.publish("", q, "new")
	r.wantCounts(q, 1, 0, 0)
	held := r.get(q)
	must(t, old.Ack())
	must(t, held.Nack(streams.Requeue))
	wantBodies(t, r.drain(q), "new")
}

func TestHandingBackSeveralRestoresTheirOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.publish("", q, "1", "2", "3")
	first := r.get(q)
	r.get(q)
	must(t, first.Nack(streams.Requeue))
	r.get(q) // the first again, with a later tag than the second
	last := r.get(q)
	must(t, last.Nack(streams.Requeue, streams.Multiple))
	wantBodies(t, r.drain(q), "1", "2", "3")
}

func TestMandatoryAfterAnExchangeCameBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.exchange("x", streams.Topic)
	r.bind("x", q, "#")
	r.publish("x", "a", "kept")
	must(t, r.DeleteExchange(r.ctx, "x"))
	r.exchange("x", streams.Topic)
	err := r.Publish(r.ctx, "x", "a", streams.Message{}, streams.Mandatory)
	if !errors.Is(err, streams.ErrNoRoute) {
		t.Errorf("publish to an exchange without bindings, while a queue drains the last of the name: got %v, want 312", err)
	}
	wantBodies(t, r.drain(q), "kept")
}

func TestPurgePassesOverWhatIsNotTheQueues(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.exchange("x", streams.Headers)
	must(t, r.Bind(r.ctx, streams.Binding{Exchange: "x", Queue: q, Args: streams.Table{"of": "q"}}))
	for _, of := range []string{"others", "others", "q", "others", "q"} {
		must(t, r.Publish(r.ctx, "x", "", streams.Message{Headers: streams.Table{"of": of}}))
	}
	if n, err := r.PurgeQueue(r.ctx, q); err != nil || n != 2 {
		t.Errorf("purge: got %d %v, want 2", n, err)
	}
	r.wantCounts(q, 0, 0, 0)
}

func TestGetSeesWhatWasHandedBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.publish("", q, "1", "2")
	for range 50 {
		d := r.get(q)
		if string(d.Body) != "1" {
			t.Fatalf("get after nack: got %s, want 1", d.Body)
		}
		must(t, d.Nack(streams.Requeue))
	}
}

func TestGetCountsReadyMessagesAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.bind("amq.fanout", q, "")
	r.publish("", q, "1", "2")
	r.publish("amq.fanout", "", "3", "4")
	first, second := r.get(q), r.get(q)
	held := r.get(q)
	must(t, first.Nack(streams.Requeue))
	must(t, second.Nack(streams.Requeue))
	for want := 2; want >= 0; want-- {
		d, ok, err := r.Get(r.ctx, q, streams.AutoAck)
		if !ok || err != nil || d.MessageCount != want {
			t.Errorf("got %+v, %v, want a message with %d behind it", d, err, want)
		}
	}
	must(t, held.Ack())
}

func TestCountsLeaveOutWhatOthersGot(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q, other := r.queue(streams.Queue{Name: "q"}), r.queue(streams.Queue{Name: "other"})
	r.exchange("x", streams.Direct)
	r.bind("x", q, "a")
	r.bind("x", other, "b")
	r.publish("x", "a", "1")
	r.publish("x", "b", "other's")
	r.bind("x", q, "c") // its filters change with messages waiting
	r.publish("x", "b", "other's", "other's")
	r.publish("x", "c", "2")
	r.wantCounts(q, 2, 0, 0)
	r.wantCounts(other, 3, 0, 0)
	if d := r.get(q); d.MessageCount != 1 {
		t.Errorf("behind the first are %d, want 1", d.MessageCount)
	}
}

func TestCountsAMessageOfSeveralFiltersOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	r.exchange("x", streams.Topic)
	crossing, wide := r.queue(streams.Queue{Name: "crossing"}), r.queue(streams.Queue{Name: "wide"})
	for _, q := range []string{crossing, wide} {
		r.bind("x", q, "a.*")
		r.bind("x", q, "*.b")
	}
	r.bind("x", wide, "c.#.d.#.e") // more than any filter can say
	r.publish("x", "a.b", "1", "2")
	r.publish("x", "c.1.2.3.4.5", "nobody's")
	for _, q := range []string{crossing, wide} {
		r.wantCounts(q, 2, 0, 0)
		if d := r.get(q); d.MessageCount != 1 {
			t.Errorf("queue %q: behind the first are %d, want 1", q, d.MessageCount)
		}
	}
}
