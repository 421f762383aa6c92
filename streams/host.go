package streams

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// sessionHost is what a dispatcher needs of the session that uses its queue.
type sessionHost struct{ u *user }

func (l sessionHost) request(to, reply string, body []byte) error {
	return l.u.s.nc.PublishRequest(to, reply, body)
}

func (l sessionHost) settle(reply string, v verdict) error { return l.u.s.settleRaw(reply, v) }

func (l sessionHost) subscribe(subject string, received func(*nats.Msg)) (*nats.Subscription, error) {
	return l.u.s.nc.Subscribe(subject, received)
}

func (l sessionHost) newInbox() string { return l.u.s.nc.NewInbox() }

func (l sessionHost) closed() bool { return l.u.s.nc.IsClosed() }

func (l sessionHost) run(errand func()) bool { return l.u.s.run(errand) }

func (l sessionHost) lookAgain() { l.u.s.refreshSoon(l.u.queue) }

func (l sessionHost) forget(ctx context.Context, src *source) error {
	_, err := l.u.s.reader.sourceInfo(ctx, src)
	return err
}

func (l sessionHost) over(life time.Duration, a appearance) bool {
	return l.u.s.contents.hasEnded(life, a)
}

// others asks the node first, which the broker knows as one.
func (l sessionHost) others() (bool, error) {
	if len(l.u.s.uses.of(l.u.queue)) > 1 {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(l.u.s.ctx, l.u.s.cfg.Timeout)
	defer cancel()
	sessions, err := l.u.s.registry.queueUsers(ctx, l.u.queue)
	for _, session := range sessions {
		if session != l.u.s.id {
			return true, nil
		}
	}
	return false, err
}

// listen hears of registrations as the live stream does.
func (l sessionHost) listen(began func()) error {
	s := l.u.s
	sub, err := s.nc.Subscribe(s.vhost.userSubject(l.u.queue, "*"), func(msg *nats.Msg) {
		if !strings.HasSuffix(msg.Subject, "."+s.id) {
			began()
		}
	})
	if err != nil {
		return err
	}
	s.run(func() {
		select {
		case <-l.u.over:
		case <-s.ctx.Done():
		}
		_ = sub.Unsubscribe()
	})
	return nil
}

func (l sessionHost) explain(d *Delivery, autoAck bool) {
	l.u.s.explainDelivery("basic.deliver", l.u.queue, d, autoAck)
}

// A taker is told what becomes of what Get took.
type taker struct{ u *user }

func (t taker) released(_ int, last *Delivery, v verdict) error {
	return t.u.s.settleRaw(last.reply, v)
}

func (t taker) requeued(_ int, list []*Delivery) error { return t.u.d.requeue(list, func() {}) }

func (taker) vacated() {}
