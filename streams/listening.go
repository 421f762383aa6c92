package streams

import (
	"sync"

	"github.com/nats-io/nats.go"
)

// A listening is a subscription of a session that is made when it is first needed: each
// has a goroutine, and many sessions of AMQP clients do nothing.
type listening struct {
	mu   sync.Mutex
	sub  *nats.Subscription
	over bool
}

// begin subscribes, unless that was done before, or the session has ended.
func (l *listening) begin(subscribe func() (*nats.Subscription, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return ErrClosed
	}
	if l.sub != nil {
		return nil
	}
	sub, err := subscribe()
	if err == nil {
		l.sub = sub
	}
	return err
}

// listenEarly begins in a cluster what begins later elsewhere: there, one server after the
// other learns of a subscription, and one that was away learns of it late.
func (n *node) listenEarly() error {
	if n.nc.ConnectedClusterName() == "" {
		return nil
	}
	if err := n.confirms.listen(); err != nil {
		return err
	}
	return n.exchanges.listenChanges()
}

// end unsubscribes, for good.
func (l *listening) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.sub != nil {
		_ = l.sub.Unsubscribe()
	}
}
