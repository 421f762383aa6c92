package amqp091

import (
	"context"
	"errors"
	"sync"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// A weight bounds how many bytes a channel has under way.
type weight struct {
	most int

	mu    sync.Mutex
	bytes int
	less  chan struct{} // closed when bytes become fewer; nil while nobody waits
}

func newWeight(most int) *weight { return &weight{most: most} }

// add waits until there is room for so many bytes more: for what is larger than all,
// until nothing is under way.
func (w *weight) add(ctx context.Context, n int) error {
	for {
		less := w.tryAdd(n)
		if less == nil {
			return nil
		}
		select {
		case <-less:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryAdd gives what to wait for, or nil if there was room.
func (w *weight) tryAdd(n int) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bytes > 0 && w.bytes+n > w.most {
		if w.less == nil {
			w.less = make(chan struct{})
		}
		return w.less
	}
	w.bytes += n
	return nil
}

func (w *weight) remove(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes -= n
	if w.less != nil {
		close(w.less)
		w.less = nil
	}
}

// noRoom is told that the broker has no room for what the channel publishes, and with
// nil that it has again.
func (ch *channel) noRoom(refusal error) {
	c := ch.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if refusal == nil {
		delete(c.roomless, ch)
		if len(c.roomless) == 0 && c.can(blocked) {
			c.out.method(0, wire.ConnectionUnblocked{})
		}
		return
	}
	c.roomless[ch] = true
	if len(c.roomless) == 1 {
		c.server.cfg.Logger.Warn("an AMQP client has to wait until the broker has room", "address", c.conn.RemoteAddr(), "reason", refusal)
		if c.can(blocked) {
			c.out.method(0, wire.ConnectionBlocked{Reason: why(refusal)})
		}
	}
}

// isBlocked reports whether the client waits until the broker has room.
func (c *connection) isBlocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.roomless) > 0
}

// blocked is the capability of clients that want to know.
const blocked = "connection.blocked"

// why is what is full, as a client is told.
func why(refusal error) string {
	var e *streams.Error
	if !errors.As(refusal, &e) {
		return refusal.Error()
	}
	return replyText(&streams.Error{Reason: e.Detail})
}
