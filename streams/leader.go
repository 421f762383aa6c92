package streams

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// The leader of a virtual host is the session that acts for its queues when nobody calls:
// it deletes those that have expired. Sessions with [Config.Lead] elect one, by a record
// in the live stream that the leader renews. What the leader does is decided by what is
// stored, while it holds the queue, so that two that take themselves for it do no harm.

// leaderLease is how long a leader is one without renewing its record: whole seconds.
const leaderLease = 3 * time.Second

// leaderRenewal is how often the leader renews its record, and others try to become it.
const leaderRenewal = time.Second

// surveys is how often a leader reads all queues, in case that it was not told of one.
const surveys = time.Minute

type leader struct {
	n        *node
	revision uint64    // of its record; 0 while it has none
	until    time.Time // when it stops being the leader, unless it renews
	renewed  time.Time // when it last tried to
	surveyed time.Time
	wake     chan struct{} // it was told of a use

	mu     sync.Mutex
	leads  bool
	timers map[string]*queueTimer
}

// A queueTimer is when a queue is to be looked at that expires.
type queueTimer struct {
	life    string
	expires time.Duration
	due     time.Time // by the broker's clock
	// consumed is when the queue was seen to have consumers; zero if it has none. Nothing is
	// due before one of them ends, which is told, or seen when the queue is looked at again.
	consumed time.Time
}

func (t queueTimer) asleep() bool { return !t.consumed.IsZero() && t.due.IsZero() }

// queueUse is told when a queue that expires is used; when it was stored is when that was.
type queueUse struct {
	Life    string        `json:"life"`
	Expires time.Duration `json:"expires"`
}

func (v vhost) leaderSubject() string { return v.liveSubject() + ".leader" }

func (v vhost) useSubject(queue string) string {
	return v.liveSubject() + ".used." + routing.NameToken(queue)
}

// tellUse tells that a queue is used, before which it does not expire. It is told before
// the queue is loaded, or by whoever loads it again: so that either the leader sees it, or
// the queue is seen to go.
func (qs *queues) tellUse(ctx context.Context, rec *queueRecord) error {
	if rec == nil || rec.Expires == 0 {
		return nil
	}
	data, err := json.Marshal(queueUse{rec.Life, rec.Expires})
	if err != nil {
		return err
	}
	_, err = jsapi.Change(ctx, func(ctx context.Context) (*jetstream.PubAck, error) {
		return qs.js.Store(ctx, qs.live, &nats.Msg{Subject: qs.vhost.useSubject(rec.Name), Data: data})
	})
	return err
}

// useQueue tells that a queue was used, and reports whether that was in time: false says
// that it has gone.
func (qs *queues) useQueue(ctx context.Context, rec *queueRecord) (bool, error) {
	if rec.Expires == 0 {
		return true, nil
	}
	if err := qs.tellUse(ctx, rec); err != nil {
		return false, err
	}
	now, _, err := qs.find(ctx, rec.Name)
	return now != nil && now.Life == rec.Life, err
}

// lastUse is when a queue was used last, by the broker's clock; zero if the broker does
// not know, for it was started since.
func (qs *queues) lastUse(ctx context.Context, queue, life string) (time.Time, error) {
	msg, err := jsapi.LastMessage(ctx, qs.live, qs.vhost.useSubject(queue))
	if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	var use queueUse
	if json.Unmarshal(msg.Data, &use) != nil || use.Life != life {
		return time.Time{}, nil
	}
	return msg.Time, nil
}

// forgetUse forgets a queue that has gone.
func (qs *queues) forgetUse(ctx context.Context, queue string) {
	err := jsapi.ChangeOnly(ctx, func(ctx context.Context) error {
		return qs.live.Purge(ctx, jetstream.WithPurgeSubject(qs.vhost.useSubject(queue)))
	})
	if err != nil && qs.link.ctx.Err() == nil {
		qs.cfg.Logger.Debug("could not forget when a queue was used", "queue", queue, "error", err)
	}
}

// needLeader waits for a leader that keeps the time of a queue, as long as it takes
// another one to follow one that has gone.
func (qs *queues) needLeader(ctx context.Context, queue string) error {
	const pause = 25 * time.Millisecond
	wait, cancel := context.WithTimeout(ctx, leaderLease+2*leaderRenewal)
	defer cancel()
	for {
		_, err := jsapi.LastMessage(wait, qs.live, qs.vhost.leaderSubject())
		if err == nil || wait.Err() == nil && !errors.Is(err, jetstream.ErrMsgNotFound) && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		if jsapi.Sleep(wait, pause) == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return withHint(
			errNotImplemented("queue '%s' in vhost '%s' is to expire, and there is no leader that keeps its time", queue, qs.cfg.ShownVHost),
			"Start 'warren serve' beside the NATS server, or open a session with Config.Lead in a program that stays.")
	}
}

// lead takes part in the election of the leader, and acts as it, until the session ends.
func (n *node) lead() {
	l := &leader{n: n, wake: make(chan struct{}, 1), timers: make(map[string]*queueTimer)}
	uses, err := n.nc.Subscribe(n.vhost.liveSubject()+".used.*", l.used)
	if err != nil {
		n.cfg.Logger.Warn("could not listen to how queues are used", "error", err)
		return
	}
	defer func() { _ = uses.Unsubscribe() }()
	defer l.resign()
	for {
		timer := time.NewTimer(l.act())
		select {
		case <-timer.C:
		case <-l.wake:
		case <-n.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// act does what is due, and says in which time to look again.
func (l *leader) act() time.Duration {
	if !l.n.nc.IsConnected() {
		return leaderRenewal
	}
	ctx, cancel := context.WithTimeout(l.n.ctx, l.n.cfg.Timeout)
	defer cancel()
	if l.n.clock.setHere() {
		if err := l.n.clock.read(ctx); err != nil {
			l.failed("could not look at the broker's clock", err)
		}
	}
	if time.Since(l.renewed) >= leaderRenewal {
		l.renew(ctx)
	}
	if !l.isLeader() {
		l.follow()
		return leaderRenewal
	}
	if time.Since(l.surveyed) >= surveys {
		if err := l.survey(ctx); err != nil {
			l.failed("could not read which queues expire", err)
			return leaderRenewal
		}
	}
	l.expireDue(ctx)
	return max(min(l.untilDue(), leaderRenewal-time.Since(l.renewed)), 0)
}

func (l *leader) failed(what string, err error) {
	if l.n.ctx.Err() == nil {
		l.n.cfg.Logger.Warn(what, "error", err)
	}
}

func (l *leader) isLeader() bool { return l.revision != 0 && time.Now().Before(l.until) }

// renew writes the leader's record, over its own, or where there is none.
func (l *leader) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaderLease)
	defer cancel()
	l.renewed = time.Now()
	msg := &nats.Msg{Subject: l.n.vhost.leaderSubject(), Header: nats.Header{}, Data: []byte(l.n.id)}
	msg.Header.Set(jetstream.MsgTTLHeader, leaderLease.String())
	revision, err := jsapi.CompareAndSet(ctx, l.n.js, l.n.live, msg, l.revision)
	switch {
	case err == nil:
		l.revision, l.until = revision, l.renewed.Add(leaderLease*9/10)
		l.mu.Lock()
		l.leads = true
		l.mu.Unlock()
	case errors.Is(err, errConflict):
		l.revision = 0
	default:
		l.failed("could not renew the leader's record", err)
	}
}

// follow forgets what only the leader needs to know.
func (l *leader) follow() {
	l.surveyed = time.Time{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leads = false
	clear(l.timers)
}

// resign makes room for another leader at once.
func (l *leader) resign() {
	if l.revision == 0 || !l.n.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), jsapi.AnswerTime)
	defer cancel()
	// What was its sequence may be another record's, in another life of the broker.
	msg, err := jsapi.LastMessage(ctx, l.n.live, l.n.vhost.leaderSubject())
	if err == nil && string(msg.Data) == l.n.id {
		err = l.n.live.drop(ctx, msg.Sequence)
	}
	if err != nil {
		l.n.cfg.Logger.Debug("could not say that the leader has gone", "error", err)
	}
}

// used is told of the use of a queue.
func (l *leader) used(msg *nats.Msg) {
	token := msg.Subject[len(l.n.vhost.liveSubject())+len(".used."):]
	queue, err := routing.TokenName(token)
	var use queueUse
	if err != nil || json.Unmarshal(msg.Data, &use) != nil {
		return
	}
	l.mu.Lock()
	if l.leads {
		l.timers[queue] = &queueTimer{life: use.Life, expires: use.Expires, due: l.n.clock.now().Add(use.Expires)}
	}
	soon := l.leads && use.Expires < leaderRenewal // otherwise it looks before that anyway
	l.mu.Unlock()
	if !soon {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// survey reads which queues expire, and looks again at those that had consumers.
func (l *leader) survey(ctx context.Context) error {
	queues, err := readable(l.n.topology.queues(ctx))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range queues {
		rec := &queues[i]
		if rec.Expires == 0 || !l.n.epoch.standsQueue(rec) {
			continue
		}
		t := l.timers[rec.Name]
		if t == nil || t.life != rec.Life {
			t = &queueTimer{life: rec.Life, expires: rec.Expires}
		} else if !t.asleep() {
			continue
		}
		l.timers[rec.Name] = &queueTimer{life: t.life, expires: t.expires, due: time.Unix(0, 0), consumed: t.consumed}
	}
	l.surveyed = time.Now()
	return nil
}

// untilDue is how long it is until the first queue is due.
func (l *leader) untilDue() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, wait := l.n.clock.surelyNow(), leaderRenewal
	for _, t := range l.timers {
		if !t.asleep() {
			wait = min(wait, t.due.Sub(now))
		}
	}
	return wait
}

// expireDue looks at the queues that are due.
func (l *leader) expireDue(ctx context.Context) {
	due := make(map[string]queueTimer)
	l.mu.Lock()
	for queue, t := range l.timers {
		if !t.asleep() && !t.due.After(l.n.clock.surelyNow()) {
			due[queue] = *t
		}
	}
	l.mu.Unlock()
	for queue, t := range due {
		if !l.isLeader() || ctx.Err() != nil {
			return
		}
		next, gone, err := l.n.expire(ctx, queue, t)
		if err != nil {
			l.failed("could not see whether a queue has expired", err)
			next = t
			next.due = l.n.clock.now().Add(leaderRenewal)
		}
		l.keep(queue, t, next, gone)
	}
}

// keep notes when a queue is due next, unless it was used meanwhile.
func (l *leader) keep(queue string, looked, next queueTimer, gone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch now := l.timers[queue]; {
	case now == nil || *now != looked:
	case gone:
		delete(l.timers, queue)
	default:
		l.timers[queue] = &next
	}
}

// expire deletes a queue that has expired, or says when it is due.
func (n *node) expire(ctx context.Context, queue string, t queueTimer) (next queueTimer, gone bool, err error) {
	if err := n.janitor.sweepUsers(ctx, queue); err != nil { // whose consumers end by that
		return t, false, err
	}
	next, err = n.whenExpired(ctx, queue, t)
	if err != nil || next.asleep() || next.due.After(n.clock.surelyNow()) {
		return next, false, err
	}
	err = n.queues.change(ctx, queue, func(c *queueChange) error {
		if c.rec.Life != t.life {
			gone = true
			return nil
		}
		// From here on, whoever uses the queue sees that it is held.
		next, err = n.whenExpired(ctx, queue, t)
		if err != nil || next.asleep() || next.due.After(n.clock.surelyNow()) {
			return err
		}
		gone = true
		return c.remove(ctx)
	})
	if isNotFound(err) {
		return t, true, nil
	}
	if err == nil && gone {
		n.cfg.Logger.Info("deleted a queue that has expired", "queue", queue, "after", t.expires)
	}
	return next, gone, err
}

// surelyNow is a time by the broker's clock that is over.
func (c *brokerClock) surelyNow() time.Time { return c.now().Add(-c.accuracy()) }

// whenExpired says when a queue is due. One that was used, nobody knows when, is used now.
func (n *node) whenExpired(ctx context.Context, queue string, t queueTimer) (queueTimer, error) {
	last, err := n.queues.lastUse(ctx, queue, t.life)
	if err != nil {
		return t, err
	}
	in, err := n.contents.usage(ctx, queue)
	if err != nil {
		return t, err
	}
	now := n.clock.now()
	next := queueTimer{life: t.life, expires: t.expires}
	if in.consumers > 0 {
		next.consumed = now
		return next, nil
	}
	unknown := last.IsZero() || !t.consumed.IsZero() && !last.After(t.consumed)
	if unknown {
		err = n.queues.tellUse(ctx, &queueRecord{Queue: Queue{Name: queue, Expires: t.expires}, Life: t.life})
		last = now
	}
	next.due = last.Add(t.expires)
	return next, err
}
