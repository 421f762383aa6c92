package streams

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// Somebody may set the broker's clock while the broker runs. Where it is put back, what it
// stamped before is in the future, and would last until that has come: the leases of
// consumers that were killed, the records of a leader and of a janitor that are gone. And
// what it stamps from then on seems to be from before the broker was started. Where it is
// put forward, messages for later would wait for a timer of the server that was made
// before. The sessions that notice put all this right: a leader in the process of the
// broker within a second, others when they look at the broker's clock.

// clockWasSet follows the broker's clock, which was put forward, or back.
func (n *node) clockWasSet(by time.Duration) {
	if by.Abs() <= mostApart {
		return
	}
	n.cfg.Logger.Warn("the broker's clock has jumped: it was set, or this machine slept", "forward", by.Round(time.Millisecond))
	n.run(func() { n.followClock(by) })
}

// followClock puts right what goes wrong where the broker's clock was set.
func (n *node) followClock(by time.Duration) {
	for pause := (jsapi.Backoff{First: 20 * time.Millisecond, Most: time.Second}); ; {
		ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Timeout)
		err := n.followOnce(ctx, by)
		cancel()
		if err == nil || n.ctx.Err() != nil {
			return
		}
		n.cfg.Logger.Warn("could not follow the broker's clock yet", "error", err)
		if pause.Wait(n.ctx) != nil {
			return
		}
	}
}

func (n *node) followOnce(ctx context.Context, by time.Duration) error {
	if by > 0 {
		return n.followForAll(ctx, nil, n.wakeSchedules)
	}
	if err := errors.Join(n.epoch.move(ctx, -by), n.dropFuture(ctx)); err != nil {
		return err
	}
	if err := n.rejoin(ctx, false); err != nil { // its consumers follow the epoch
		return err
	}
	return n.followForAll(ctx, n.renewPresences, n.renewSource)
}

// unsure is how much later than now a time must be, besides what the clock may be wrong,
// for the clock to have been put back.
const unsure = 100 * time.Millisecond

// isFuture reports whether the broker's clock was put back since it showed a time.
func (c *brokerClock) isFuture(at time.Time) bool {
	return at.Sub(c.now()) > c.accuracy()+unsure
}

// beginsLater reports whether an epoch seems to begin later than now.
func (e *epoch) beginsLater(rec epochRecord) bool { return e.clock.isFuture(rec.Began) }

// move has the epoch begin so much earlier, as the clock shows it now, unless
// another session has done it. Where nobody knows by how much, all that is stored counts as
// stored in this epoch: rather what has ended comes than that what was published is dropped.
func (e *epoch) move(ctx context.Context, by time.Duration) error {
	subject := e.vhost.epochSubject()
	for {
		rec, revision, err := e.load(ctx, subject)
		if err != nil || revision == 0 || !e.beginsLater(rec) {
			return err
		}
		rec.Began = rec.Began.Add(-by)
		if e.beginsLater(rec) {
			rec.Began = time.Unix(1, 0)
		}
		if err := e.put(ctx, subject, rec, revision); err != nil && !errors.Is(err, errConflict) {
			return err
		}
	}
}

// dropFuture takes records away that others wait for to end, and which were written
// before the clock was put back. Who writes one is still there and writes it again.
func (n *node) dropFuture(ctx context.Context) error {
	for _, subject := range []string{n.vhost.turnSubject(), n.vhost.leaderSubject()} {
		msg, err := jsapi.LastMessage(ctx, n.live, subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			return err
		case n.clock.isFuture(msg.Time):
			if err := n.live.drop(ctx, msg.Sequence); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v vhost) followSubject() string { return v.liveSubject() + ".clock" }

// followForAll does something, and something for every source of every queue, unless
// another session does.
func (n *node) followForAll(
	ctx context.Context, once func(context.Context) error, do func(context.Context, *source) error,
) error {
	if is, err := n.claimClock(ctx); err != nil || !is {
		return err
	}
	queues, err := readable(n.topology.queues(ctx))
	if err == nil && once != nil {
		err = once(ctx)
	}
	for i := range queues {
		if !n.epoch.standsQueue(&queues[i]) {
			continue
		}
		for _, src := range n.queues.sourcesOf(&queues[i]) {
			err = errors.Join(err, do(ctx, src))
		}
	}
	return err
}

// claimed is for how long one session follows the broker's clock for all.
const claimed = 2 * rounds

// claimClock reports whether this node is the one that follows the broker's clock. The
// claim of an earlier time may be left where the clock was set again.
func (n *node) claimClock(ctx context.Context) (bool, error) {
	msg := &nats.Msg{Subject: n.vhost.followSubject(), Header: nats.Header{}, Data: []byte(n.id)}
	msg.Header.Set(jetstream.MsgTTLHeader, claimed.String())
	for {
		_, err := jsapi.CompareAndSet(ctx, n.js, n.live, msg, 0)
		if err == nil || !errors.Is(err, errConflict) {
			return err == nil, err
		}
		has, err := jsapi.LastMessage(ctx, n.live, n.vhost.followSubject())
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			continue
		case err != nil:
			return false, err
		case !n.clock.isFuture(has.Time) && n.clock.now().Sub(has.Time) < claimed:
			return false, nil
		}
		if err := n.live.drop(ctx, has.Sequence); err != nil {
			return false, err
		}
	}
}

// wakeSchedules has the server look which messages for later are due: it has timers for
// them, which go by the time that passes and not by its clock. It looks when the stream is
// updated.
func (n *node) wakeSchedules(ctx context.Context, src *source) error {
	if src.exchange != "" || src.plain {
		return nil
	}
	stream, err := n.js.Stream(ctx, src.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = n.js.UpdateStream(ctx, stream.CachedInfo().Config)
	return err
}

// renewPresences renews the records of all sessions that are stamped in the future: one
// that is gone does not do so again.
func (n *node) renewPresences(ctx context.Context) error {
	subjects, err := jsapi.SubjectsOf(ctx, n.live, n.vhost.presenceSubject("*"))
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		session := subject[len(n.vhost.presenceSubject("")):]
		err = errors.Join(err, n.attendance.changePresence(ctx, session, func(p *presence) bool {
			future := n.clock.isFuture(p.Renewed)
			if future {
				p.Renewed = n.clock.now()
			}
			return future
		}))
	}
	return err
}

// renewSource renews the leases of all that is unsettled at a source, whoever holds it: what
// one held that is gone comes back when its lease is over.
func (n *node) renewSource(ctx context.Context, src *source) error {
	_, info, err := n.reader.lookAt(ctx, src.stream, src.queue)
	if err != nil || info == nil || info.NumAckPending == 0 {
		return err
	}
	var last error
	_, err = n.reader.findGiven(ctx, src, info, func(_ *nats.Msg, a arrival) bool {
		last = n.settleRaw(ackSubject(src, a.seq), leaseRenewal)
		return last != nil
	})
	return errors.Join(err, last)
}
