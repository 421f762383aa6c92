package streams

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/jsapi"
)

// connectionChanged deals with a state, for as long as the context: what it puts
// right may be broken again by the next one.
func (n *node) connectionChanged(ctx context.Context, status nats.Status) {
	switch status {
	case nats.CONNECTED:
		n.noteServer()
		n.batchers.forgetBroker()
		n.confirms.reconnected()
		n.run(func() { n.recover(ctx) })
		for _, notice := range n.allNotices() {
			n.run(func() { notice.catchUp(ctx) })
		}
	case nats.RECONNECTING, nats.DISCONNECTED:
		n.goOffline()
		n.queues.owned.forgetRecords()
		n.confirms.disconnected()
		for _, notice := range n.allNotices() {
			notice.hold()
		}
	case nats.CLOSED:
		n.confirms.fail(nats.ErrConnectionClosed)
		n.goOnline(ctx) // nothing to wait for: let publishers see the error
		n.cancelAll(nats.ErrConnectionClosed)
	}
}

// recover puts right what a lost connection may have broken: the broker
// may be another life of itself, and pull requests and notices were lost. It
// tries until it is done, or the connection is lost again.
func (n *node) recover(ctx context.Context) {
	n.exchanges.clear()
	n.queues.owned.forgetRecords()
	late := time.AfterFunc(n.cfg.Timeout, func() { n.goOnline(ctx) }) // let publishers see for themselves
	defer late.Stop()
	for pause := (jsapi.Backoff{First: 10 * time.Millisecond, Most: time.Second}); ; {
		try, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
		err := n.rejoin(try, true)
		cancel()
		if err == nil || pause.Wait(ctx) != nil {
			return
		}
		if pause.IsLongest() {
			n.cfg.Logger.Warn("recovery after a lost connection is not complete", "error", err)
		}
	}
}

// rejoin brings epoch, registrations and consumers up to date. After a reconnection
// the server has forgotten what consumers had asked for.
func (n *node) rejoin(ctx context.Context, reconnected bool) error {
	if err := n.openLive(ctx); err != nil {
		return err
	}
	if err := n.attendance.appear(ctx); err != nil {
		return err
	}
	for _, s := range n.allSessions() {
		for _, u := range s.allUsers() {
			u.doubt()
		}
	}
	// What ended with the broker is cleared away: publishers may go on.
	if reconnected {
		n.goOnline(ctx)
	}
	for _, queue := range n.uses.queues() {
		if err := n.uses.enrollAnew(ctx, queue); err != nil {
			return err
		}
		for _, u := range n.uses.of(queue) {
			if err := u.readmit(ctx); err != nil {
				return err
			}
			if err := u.s.refresh(ctx, queue); err != nil {
				return err
			}
		}
		n.uses.goOn(queue, reconnected)
	}
	return nil
}
