package streams_test

import (
	"encoding/json"
	"testing"
	"time"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// putBack puts the clock of a broker back by an hour while it runs, and has a session
// notice that.
func putBack(r rig, server *embeddedtest.Child) {
	r.Helper()
	server.JumpClock(r, 0)
	for time.Until(r.Now()) > time.Minute {
		must(r, streams.ReadClock(r.ctx, r.Session))
	}
}

// What a consumer held that was killed comes when its lease is over, and not in an hour.
func TestPutBack_LeasesEnd(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, time.Hour)
	r := newRig(t, server.Connect(t), streams.Config{Lease: time.Second})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	r.bind("amq.fanout", q, "")
	killed := server.Connect(t)
	dead := newRig(t, killed, streams.Config{})
	r.publish("", q, "home")
	r.publish("amq.fanout", "", "view")
	dead.take(dead.pull(dead.consume(q, streams.ConsumeOptions{Prefetch: 2})), 2)
	killed.Close()
	putBack(r, server)
	for _, d := range r.take(r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: 2})), 2) {
		if !d.Redelivered {
			t.Errorf("%s is not marked as redelivered", d.Body)
		}
		must(t, d.Ack())
	}
}

// What is published to a durable queue is not taken for what is left of an earlier life of
// the broker, if the sessions know that the clock was put back and if they do not yet.
func TestPutBack_WhatIsNotPersistentComes(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, time.Hour)
	r := newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	unaware := r.pull(r.consume(q, streams.ConsumeOptions{}))
	r.publish("", q, "before")
	r.take(unaware, 1)
	server.JumpClock(t, 0)
	for {
		r.publish("", q, "after")
		if d := r.take(unaware, 1)[0]; time.Until(d.Stored()) < time.Minute {
			break // it has the clock that was set
		}
	}
	putBack(r, server)
	next := newRig(t, server.Connect(t), streams.Config{}) // which never saw the other time
	other := next.queue(streams.Queue{Name: "other", Durable: true})
	for _, who := range []rig{r, next} {
		who.publish("", other, "1", "2")
		who.wantCounts(other, 2, 0, 0)
		wantBodies(t, who.drain(other), "1", "2")
	}
}

// What is cleared away by turns goes on.
func TestPutBack_TheTurnOfOneThatIsGoneEnds(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, time.Hour)
	r := newRig(t, server.Connect(t), streams.Config{})
	for !streams.TakeTurn(r.ctx, r.Session) {
		must(t, r.ctx.Err())
	}
	putBack(r, server)
	for !streams.TakeTurn(r.ctx, r.Session) {
		must(t, r.ctx.Err())
	}
}

// A session that nobody can ask about is gone when its lease is over, and not in an hour.
func TestPutBack_SessionsAreMissed(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, time.Hour)
	nc := server.Connect(t)
	r := newRig(t, nc, streams.Config{})
	const subject = "warren.live.session.gone"
	_, err := nc.Request(subject, []byte(`{"server":"gone"}`), time.Minute)
	must(t, err)
	putBack(r, server)
	live, err := newJetStream(t, nc).Stream(r.ctx, "warren~live")
	must(t, err)
	for {
		msg, err := live.GetLastMsgForSubject(r.ctx, subject)
		must(t, err)
		var record struct{ Renewed time.Time }
		must(t, json.Unmarshal(msg.Data, &record))
		if !record.Renewed.IsZero() && time.Until(record.Renewed) < time.Minute {
			return
		}
	}
}

// Messages for later come at their time by a clock that was put forward, and do not wait for
// one that was to come first.
func TestPutForward_SchedulesCome(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, 0)
	r := newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
	later := func(in time.Duration) {
		must(t, r.PublishAt(r.ctx, r.Now().Add(in), q, in.String(), streams.Message{Body: []byte(in.String())}))
	}
	later(20 * time.Minute)
	later(3 * time.Hour)
	server.JumpClock(t, time.Hour)
	for time.Until(r.Now()) < time.Minute {
		must(t, streams.ReadClock(r.ctx, r.Session))
	}
	later(time.Second)
	next := r.pull(r.consume(q, streams.ConsumeOptions{}))
	for _, want := range []string{"20m0s", "1s"} {
		if d := r.take(next, 1)[0]; string(d.Body) != want {
			t.Errorf("got the message that was for %s, want %s", d.Body, want)
		}
	}
}
