package streams

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// nodeHost is what a dispatcher needs of the node whose sessions use its queue.
type nodeHost struct {
	n     *node
	queue string
}

func (h nodeHost) request(to, reply string, body []byte) error {
	return h.n.nc.PublishRequest(to, reply, body)
}

func (h nodeHost) settle(reply string, v verdict) error { return h.n.settleRaw(reply, v) }

func (h nodeHost) subscribe(subject string, received func(*nats.Msg)) (*nats.Subscription, error) {
	return h.n.nc.Subscribe(subject, received)
}

func (h nodeHost) newInbox() string { return h.n.nc.NewInbox() }

func (h nodeHost) closed() bool { return h.n.nc.IsClosed() }

func (h nodeHost) connected() bool { return h.n.nc.IsConnected() }

func (h nodeHost) run(errand func()) bool { return h.n.run(errand) }

func (h nodeHost) lookAgain() {
	for _, u := range h.n.uses.of(h.queue) {
		u.s.refreshSoon(h.queue)
	}
}

func (h nodeHost) forget(ctx context.Context, src *source) error {
	_, err := h.n.reader.sourceInfo(ctx, src)
	return err
}

func (h nodeHost) over(life time.Duration, a appearance) bool {
	return h.n.contents.hasEnded(life, a)
}

func (h nodeHost) others() (bool, error) {
	ctx, cancel := context.WithTimeout(h.n.ctx, h.n.cfg.Timeout)
	defer cancel()
	nodes, err := h.n.registry.queueUsers(ctx, h.queue)
	for _, other := range nodes {
		if other != h.n.id {
			return true, nil
		}
	}
	return false, err
}

// listen hears of registrations as the live stream does.
func (h nodeHost) listen(over <-chan struct{}, began func()) error {
	sub, err := h.n.nc.Subscribe(h.n.vhost.userSubject(h.queue, "*"), func(msg *nats.Msg) {
		if !strings.HasSuffix(msg.Subject, "."+h.n.id) {
			began()
		}
	})
	if err != nil {
		return err
	}
	h.n.run(func() {
		select {
		case <-over:
		case <-h.n.ctx.Done():
		}
		_ = sub.Unsubscribe()
	})
	return nil
}

func (h nodeHost) renewHeld() {
	for _, u := range h.n.uses.of(h.queue) {
		u.renew()
	}
}

func (h nodeHost) explain(d *Delivery, autoAck bool) {
	h.n.explainDelivery("basic.deliver", h.queue, d, autoAck)
}

// A taker is told what becomes of what Get took.
type taker struct{ u *user }

func (t taker) released(_ int, last *Delivery, v verdict) error {
	return t.u.s.settleRaw(last.reply, v)
}

func (t taker) requeued(_ int, list []*Delivery) error { return t.u.d.requeue(list, func() {}) }

func (taker) vacated() {}
