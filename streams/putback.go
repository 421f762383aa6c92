package streams

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Somebody may put the broker's clock back while the broker runs. What it stamped
// before is in the future then, and would last until that has come: the leases of
// consumers that were killed, the records of a leader and of a janitor that are gone.
// And what it stamps from then on seems to be from before the broker was started. The
// sessions that notice put both right: a leader in the process of the broker within a
// second, others when they look at the broker's clock.

// clockWasSet follows the broker's clock, which was put forward, or back.
func (s *Session) clockWasSet(by time.Duration) {
	if by.Abs() <= mostApart {
		return
	}
	s.cfg.Logger.Warn("the broker's clock was set while it runs", "forward", by.Round(time.Millisecond))
	if by < 0 {
		s.run(func() { s.followPutBack(-by) })
	}
}

// followPutBack puts right what goes wrong where the broker's clock was put back.
func (s *Session) followPutBack(by time.Duration) {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
		err := errors.Join(s.moveEpoch(ctx, by), s.dropFuture(ctx))
		if err == nil {
			err = s.rejoin(ctx, false) // its consumers follow the epoch
		}
		if err == nil {
			err = s.renewAll(ctx)
		}
		cancel()
		if err == nil || s.ctx.Err() != nil {
			return
		}
		s.cfg.Logger.Warn("could not follow the broker's clock yet", "error", err)
		if sleep(s.ctx, wait) != nil {
			return
		}
	}
}

// unsure is how much later than now a time must be, besides what the clock may be wrong,
// for the clock to have been put back.
const unsure = 100 * time.Millisecond

// isFuture reports whether the broker's clock was put back since it showed a time.
func (s *Session) isFuture(at time.Time) bool {
	return at.Sub(s.clock.now()) > s.clock.accuracy()+unsure
}

// beginsLater reports whether an epoch seems to begin later than now.
func (s *Session) beginsLater(rec epochRecord) bool { return s.isFuture(rec.Began) }

// moveEpoch has the epoch begin so much earlier, as the clock shows it now, unless
// another session has done it. Where nobody knows by how much, all that is stored counts as
// stored in this epoch: rather what has ended comes than that what was published is dropped.
func (s *Session) moveEpoch(ctx context.Context, by time.Duration) error {
	subject := s.epochSubject()
	for {
		rec, revision, err := s.loadEpoch(ctx, subject)
		if err != nil || revision == 0 || !s.beginsLater(rec) {
			return err
		}
		rec.Began = rec.Began.Add(-by)
		if s.beginsLater(rec) {
			rec.Began = time.Unix(1, 0)
		}
		if err := s.putEpoch(ctx, subject, rec, revision); err != nil && !errors.Is(err, errConflict) {
			return err
		}
	}
}

// dropFuture takes records away that others wait for to end, and which were written
// before the clock was put back. Who writes one is still there and writes it again.
func (s *Session) dropFuture(ctx context.Context) error {
	for _, subject := range []string{s.turnSubject(), s.leaderSubject(), s.renewalSubject()} {
		msg, err := lastMessage(ctx, s.live, subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			return err
		case s.isFuture(msg.Time):
			if err := s.dropLive(ctx, msg.Sequence); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Session) renewalSubject() string { return s.vhost.liveSubject() + ".renewal" }

// renewAll renews the leases of all that is unsettled, whoever holds it: what is held by
// one that is gone comes back when its lease is over. One session does it for all.
func (s *Session) renewAll(ctx context.Context) error {
	msg := &nats.Msg{Subject: s.renewalSubject(), Header: nats.Header{}, Data: []byte(s.id)}
	msg.Header.Set(jetstream.MsgTTLHeader, (2 * rounds).String())
	if _, err := compareAndSet(ctx, s.js, s.live, msg, 0); err != nil {
		if errors.Is(err, errConflict) {
			return nil
		}
		return err
	}
	queues, err := readable(s.topology.queues(ctx))
	if err != nil {
		return err
	}
	for i := range queues {
		if !s.standsQueue(&queues[i]) {
			continue
		}
		for _, src := range s.sourcesOf(&queues[i]) {
			err = errors.Join(err, s.renewSource(ctx, src))
		}
	}
	return err
}

// renewSource renews the leases of all that is unsettled at a source.
func (s *Session) renewSource(ctx context.Context, src *source) error {
	_, info, err := s.lookAt(ctx, src.stream, src.queue)
	if err != nil || info == nil || info.NumAckPending == 0 {
		return err
	}
	var last error
	_, err = s.findGiven(ctx, src, info, func(_ *nats.Msg, a arrival) bool {
		last = s.settleRaw(ackSubject(src, a.seq), leaseRenewal)
		return last != nil
	})
	return errors.Join(err, last)
}
