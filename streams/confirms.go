package streams

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/amqp"
	"warren/streams/internal/jsapi"
)

// confirms are the published messages of a node that the broker has not
// answered yet. All answers come to one inbox.
type confirms struct {
	n      *node
	prefix string // of the inbox, with its last dot
	inbox  listening

	mu      sync.Mutex
	open    map[uint64]*Confirm
	next    uint64
	era     uint64 // counts lost connections
	stopped bool
	failure error
	expiry  *time.Timer
}

func newConfirms(n *node) *confirms {
	return &confirms{n: n, prefix: n.nc.NewInbox() + ".", open: make(map[uint64]*Confirm)}
}

// listen subscribes to the inbox, before the first message that is answered there.
func (c *confirms) listen() error {
	return c.inbox.begin(func() (*nats.Subscription, error) {
		sub, err := c.n.nc.Subscribe(c.prefix+"*", c.answered)
		if err == nil {
			err = sub.SetPendingLimits(-1, -1)
		}
		return sub, err
	})
}

// tracePrefix tells the inbox token of a trace from that of an acknowledgement.
const tracePrefix = "trace-"

// enter notes a message that is about to be published, and gives its reply.
func (c *confirms) enter(confirm *Confirm) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return c.failure
	}
	c.next++
	confirm.index = c.next
	if confirm.era != neverSent {
		confirm.era = c.era
	}
	confirm.awaitsAck = true
	c.open[confirm.index] = confirm
	token := strconv.FormatUint(confirm.index, 36)
	confirm.msg.Reply = c.prefix + token
	if confirm.awaitsTrace {
		confirm.msg.Header.Set(traceDestination, c.prefix+tracePrefix+token)
	}
	if confirm.place != nil && !confirm.place.persistent {
		confirm.msg.Header.Set(amqp.EpochHeader, c.n.epoch.id())
	}
	c.watchExpiry()
	return nil
}

// neverSent is the era of a message that is not lost with a connection: it waits,
// or is answered by the commit of its batch.
const neverSent = math.MaxUint64

// waits notes that a message is to be sent again later.
func (c *confirms) waits(confirm *Confirm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	confirm.era = neverSent
}

// sent notes that messages are about to be sent that had to wait.
func (c *confirms) sent(list []*Confirm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, confirm := range list {
		confirm.era = c.era
	}
}

// traceSize is how much the header takes, at most, that asks for a trace.
func (c *confirms) traceSize() int {
	const number, punctuation = 13, len(": \r\n")
	return len(traceDestination) + len(c.prefix) + len(tracePrefix) + number + punctuation
}

// leave takes a message out again that could not be published.
func (c *confirms) leave(confirm *Confirm) {
	c.mu.Lock()
	removed := c.remove(confirm)
	c.mu.Unlock()
	if removed && confirm.batcher != nil {
		confirm.batcher.answered(confirm)
	}
}

// remove takes a message out, and reports whether it was there. The lock is
// held.
func (c *confirms) remove(confirm *Confirm) bool {
	if _, is := c.open[confirm.index]; !is {
		return false
	}
	delete(c.open, confirm.index)
	return true
}

// find gives the message that an answer is for, if it was not given up.
func (c *confirms) find(index uint64) *Confirm {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[index]
}

// answered is called with every message of the inbox, one at a time.
func (c *confirms) answered(msg *nats.Msg) {
	token, trace := strings.CutPrefix(msg.Subject[len(c.prefix):], tracePrefix)
	index, err := strconv.ParseUint(token, 36, 64)
	if err != nil {
		return
	}
	confirm := c.find(index)
	if confirm == nil {
		return // answered, or given up, before
	}
	if trace {
		c.traced(confirm, msg)
		return
	}
	c.acked(confirm, msg)
}

// acked reads the broker's acknowledgement.
func (c *confirms) acked(confirm *Confirm, msg *nats.Msg) {
	if len(msg.Data) == 0 && msg.Header.Get("Status") == jsapi.NoResponders {
		if confirm.commits {
			c.resolve(confirm, nats.ErrNoResponders)
			return
		}
		c.nobody(confirm)
		return
	}
	if confirm.commits {
		c.resolve(confirm, batchError(msg.Data))
		return
	}
	confirm.awaitsAck = false
	if confirm.batch != nil {
		c.ended(confirm, batchError(msg.Data))
		return
	}
	if err := ackError(msg.Data); err != nil {
		if confirm.place != nil && jsapi.IsConflict(err) {
			c.supersede(confirm)
			return
		}
		if jsapi.IsError(err, jsapi.CodeDuplicateInProcess) {
			c.publishAgain(confirm)
			return
		}
		if !c.awaitRoom(confirm, err) {
			c.resolve(confirm, err)
		}
		return
	}
	if confirm.store != nil {
		confirm.revision = ackSequence(msg.Data)
	}
	if !confirm.awaitsTrace {
		c.complete(confirm)
	}
}

// nobody handles a message for which no stream listened: there is no such
// exchange or queue, or the stream is between two leaders. The topology knows.
func (c *confirms) nobody(confirm *Confirm) {
	c.n.run(func() {
		again, err := c.n.unheard(confirm)
		if again && err == nil {
			err = c.again(confirm)
			if err == nil {
				return
			}
		}
		c.resolve(confirm, err)
	})
}

// publishAgain asks, after a moment, what has become of the first of two messages
// of one id, which a cluster has not agreed on yet.
func (c *confirms) publishAgain(confirm *Confirm) {
	c.n.run(func() {
		if err := c.again(confirm); err != nil {
			c.resolve(confirm, errors.Join(ErrUnconfirmed, err))
		}
	})
}

// again publishes a message again that nobody has taken. It does not overtake those
// that the same publisher has published before it.
func (c *confirms) again(confirm *Confirm) error {
	if confirm.batcher != nil {
		return confirm.batcher.takeBack(confirm)
	}
	return c.retry(confirm)
}

func (c *confirms) retry(confirm *Confirm) error {
	ctx, cancel := context.WithDeadline(c.n.ctx, confirm.deadline)
	defer cancel()
	if err := jsapi.Sleep(ctx, confirm.pause()); err != nil {
		return errNotTaken(err)
	}
	if err := c.n.awaitOnline(ctx); err != nil {
		return err
	}
	return confirm.publish(c.n.nc)
}

func errNotTaken(err error) error {
	return fmt.Errorf("no stream took the message: %w", err)
}

// complete ends a message that was stored, or that nobody wanted.
func (c *confirms) complete(confirm *Confirm) {
	if confirm.flags&Mandatory == 0 || confirm.exchange == "" {
		c.resolve(confirm, nil)
		return
	}
	if confirm.nointerest {
		c.resolve(confirm, errReturned(confirm))
		return
	}
	c.n.run(func() { c.resolve(confirm, c.n.verifyRouted(confirm)) })
}

// resolve ends a message, once.
func (c *confirms) resolve(confirm *Confirm, err error) {
	c.mu.Lock()
	is := c.remove(confirm)
	c.mu.Unlock()
	if !is {
		return
	}
	confirm.err = err
	close(confirm.done)
	if confirm.batcher != nil {
		confirm.batcher.answered(confirm)
	}
	if confirm.sink != nil {
		confirm.sink.resolved(confirm)
	}
}

// disconnected begins a new era: what was published before it may never be
// answered.
func (c *confirms) disconnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.era++
}

// What was published just as the connection was lost may be sent once it is back, and
// counts as published before: such an answer has settling to come, from when the
// broker has answered the session itself, which came behind it. If the broker does
// not, it has grace.
const (
	settling = 20 * time.Millisecond
	grace    = time.Second
)

// reconnected gives up, after that, on what a lost connection has left without an
// answer. Whoever waits for it can go on.
func (c *confirms) reconnected() {
	c.mu.Lock()
	era := c.era
	c.mu.Unlock()
	c.n.run(func() {
		ctx, cancel := context.WithTimeout(c.n.ctx, grace)
		defer cancel()
		if c.n.awaitOnline(ctx) == nil {
			_ = jsapi.Sleep(ctx, settling)
		}
		if c.n.ctx.Err() != nil {
			return
		}
		c.failWhere(func(confirm *Confirm) bool { return confirm.era < era },
			fmt.Errorf("%w: the connection was lost", ErrUnconfirmed))
	})
}

// fail ends all messages, now and from now on.
func (c *confirms) fail(err error) {
	c.mu.Lock()
	c.stopped, c.failure = true, err
	c.mu.Unlock()
	c.failWhere(func(*Confirm) bool { return true }, fmt.Errorf("%w: %w", ErrUnconfirmed, err))
}

// abandon gives what a session has published, and what has no answer yet, the answer that
// the session is closed.
func (c *confirms) abandon(s *Session) {
	c.failWhere(func(confirm *Confirm) bool { return confirm.session == s }, fmt.Errorf("%w: %w", ErrUnconfirmed, ErrClosed))
}

func (c *confirms) failWhere(lost func(*Confirm) bool, err error) {
	c.mu.Lock()
	var failed []*Confirm
	for _, confirm := range c.open {
		if lost(confirm) {
			failed = append(failed, confirm)
		}
	}
	c.mu.Unlock()
	for _, confirm := range failed {
		c.resolve(confirm, err)
	}
}

// watchExpiry looks now and then for messages whose time is up. The lock is
// held.
func (c *confirms) watchExpiry() {
	if c.expiry == nil {
		c.expiry = time.AfterFunc(c.expiryStep(), c.expire)
	}
}

func (c *confirms) expiryStep() time.Duration {
	return min(max(c.n.cfg.Timeout/10, 10*time.Millisecond), time.Second)
}

func (c *confirms) expire() {
	now := time.Now()
	c.failWhere(func(confirm *Confirm) bool { return now.After(confirm.deadline) },
		fmt.Errorf("%w: %w", ErrUnconfirmed, context.DeadlineExceeded))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expiry = nil
	if len(c.open) > 0 && !c.stopped {
		c.watchExpiry()
	}
}

func (c *confirms) close() {
	c.fail(ErrClosed)
	c.mu.Lock()
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.mu.Unlock()
	c.inbox.end()
}
