package streams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// ConsumeOptions is how a consumer consumes. The zero value works.
type ConsumeOptions struct {
	// Tag names the consumer within its session. Default: one is made.
	Tag string
	// Prefetch is how many messages the consumer holds unsettled at most.
	// Default: 0, no limit, as in AMQP.
	Prefetch int
	// Window is a budget shared with other consumers: both it and Prefetch hold, as of
	// AMQP's global prefetch and the consumer's own. Default: none is shared.
	Window *Window
	// Turn is where the consumer stands among those that share its window. Default:
	// they take turns.
	Turn Turn
	// AutoAck settles every message when it arrives: what a consumer that dies
	// had not handled is lost, and Prefetch means nothing. Default: messages
	// are settled by the consumer.
	AutoAck bool
	// Exclusive gives the consumer its queue to itself: Consume is 403 while the queue has
	// another consumer, and as long as this one lasts every other one is refused with 403,
	// in all sessions. A Get is not. The queue is free when the consumer was cancelled or
	// closed, whatever it still holds, or when its session ends; one that is killed, when
	// it is missed. A session that was given up for dead and comes back cancels the
	// consumer, with 403, if another one has begun meanwhile. Default: others may consume.
	Exclusive bool
	// IgnoreExpiration gives the consumer also messages whose own Expiration is over, as
	// long as they are in the queue; a MessageTTL of the queue is obeyed all the same.
	// It is for who obeys it in another way, as a worker that notes that a task has
	// expired. Default: they are dropped.
	IgnoreExpiration bool
	// Concurrency is how many handlers run at once. Default: 1.
	Concurrency int
	// Push is called with every delivery in the order of the queue, one at a time, and
	// must not block; Run and Deliveries have nothing to give then. Cancel and Close wait
	// for the Push that runs: Push does not call them. While a Push blocks, other
	// consumers of the queue on the node get its messages after a second or two, and
	// what was on its way to the node after the Lease. Default: deliveries wait for
	// Run or Deliveries.
	Push func(*Delivery)
	// Cancelled is called once when the broker ends the consumer, as when its
	// queue is deleted, with why; it must not block. Default: Done and Err tell.
	Cancelled func(error)
}

// maxBacklog is how many settled deliveries of an AutoAck consumer wait for
// its handler before it asks for no more.
const maxBacklog = 4096

func (o ConsumeOptions) withDefaults() ConsumeOptions {
	if o.Concurrency == 0 {
		o.Concurrency = 1
	}
	return o
}

func (o ConsumeOptions) check() error {
	switch {
	case o.Concurrency < 0:
		return errPrecondition("concurrency is %d; use a positive number", o.Concurrency)
	case o.Concurrency > 1 && o.Push != nil:
		return errPrecondition("both a concurrency and a push are given, which is called from one goroutine; use one")
	case o.Turn != Turn{} && o.Window == nil:
		return errPrecondition("a turn is given, and no window that others share; set Window")
	}
	return errors.Join(checkLimit("prefetch", o.Prefetch), o.Turn.check(), checkTag(o.Tag))
}

func checkTag(tag string) error {
	if len(tag) > 255 {
		return errPrecondition("consumer tag is %d bytes long; use at most 255", len(tag))
	}
	return nil
}

// A Consumer receives the messages of a queue, from [Session.Consume] on.
// Messages of one source come in the order in which they were published; those
// of a home and of several exchanges are merged as they come.
type Consumer struct {
	s      *Session
	u      *user
	d      *dispatcher
	queue  string
	tag    string
	id     string // among all consumers
	opts   ConsumeOptions
	window *Window // which it may share with others
	own    *Window // its limit beside that, if it was given one to share, or nil
	ledger *ledger

	vacates atomic.Bool  // deliveries have given up their places
	backlog atomic.Int32 // how many deliveries wait
	left    atomic.Bool  // not a consumer of the queue any more

	stalled atomic.Bool // its Push has not returned for a while

	mu       sync.Mutex
	waiting  backlog
	pushing  bool          // somebody calls Push
	pushes   uint64        // how often it was called
	seen     uint64        // pushes, when it was looked at
	pushed   chan struct{} // closed when nobody calls Push any more; nil: nobody waits for it
	sleeping int           // how many handlers wait for a delivery
	signal   chan struct{} // something waits
	applying bool          // it is not decided whether it may consume
	claiming uint64        // its claim, in the live stream
	stopping bool
	done     chan struct{}
	err      error
}

// ErrCancelled is why a consumer ended that the broker cancelled: its queue was
// deleted, or is another consumer's alone. The error that wraps it says which.
var ErrCancelled = errors.New("the broker cancelled the consumer")

// ErrClosed is the error of a session that was closed.
var ErrClosed = errors.New("the session is closed")

// Consume starts a consumer on a queue; messages come from then on. A queue
// that is not there is 404, one exclusive to another session 405, one that has an
// exclusive consumer 403, see [ConsumeOptions.Exclusive], a tag in use 530. Consumers
// of one queue take turns, as far as their windows allow. The consumer ends with
// Cancel, or with the session; when its queue is deleted, or the connection closed, it
// is told.
func (s *Session) Consume(ctx context.Context, queue string, o ConsumeOptions) (*Consumer, error) {
	c, err := within(ctx, s,
		func(ctx context.Context) (*Consumer, error) { return s.consume(ctx, queue, o) },
		func(c *Consumer) { _ = c.Cancel(s.ctx) })
	if err != nil {
		return nil, fmt.Errorf("consume queue %q: %w", queue, err)
	}
	return c, nil
}

func (s *Session) consume(ctx context.Context, queue string, o ConsumeOptions) (*Consumer, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c := &Consumer{
		s: s, queue: queue, id: newID(), opts: o.withDefaults(),
		signal:   make(chan struct{}, 1),
		done:     make(chan struct{}),
		applying: true,
	}
	c.window, c.own = c.opts.Window, limited(c.opts.Prefetch)
	if c.window == nil {
		c.window, c.own = c.own, nil
	}
	c.ledger = newLedger(c)
	c.ledger.send, c.ledger.explain = s.settleRaw, s.explains()
	if err := s.nameConsumer(c); err != nil {
		return nil, err
	}
	return c, c.start(ctx)
}

// nameConsumer gives a consumer its tag, which is its own in the session for as
// long as it is a consumer.
func (s *Session) nameConsumer(c *Consumer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.tag = c.opts.Tag
	if c.tag == "" {
		c.tag = "ctag-" + s.id[len(s.id)-6:] + "-" + strconv.FormatUint(s.tags.Add(1), 10)
	}
	if other := s.tagged[c.tag]; other != nil && other.counted() {
		return errNotAllowed("attempt to reuse consumer tag '%s'", c.tag)
	}
	s.tagged[c.tag] = c
	return nil
}

// freeTag forgets the tag of a consumer that ends, unless another one has it
// by now.
func (s *Session) freeTag(c *Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tagged[c.tag] == c {
		delete(s.tagged, c.tag)
	}
}

func (c *Consumer) start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			c.s.freeTag(c)
		}
	}()
	_, err = c.s.use(ctx, c.queue, c)
	if err == nil && c.s.isClosed() {
		err = ErrClosed // Close ends it with the others
	}
	return err
}

// Tag is the consumer's name within its session.
func (c *Consumer) Tag() string { return c.tag }

// Queue is the queue it consumes.
func (c *Consumer) Queue() string { return c.queue }

// Window is its budget of unsettled messages: the one that it was given to share, or one
// of its Prefetch.
func (c *Consumer) Window() *Window { return c.window }

// SetPrefetch changes [ConsumeOptions.Prefetch] while the consumer runs; see [Window.Set].
func (c *Consumer) SetPrefetch(limit int) error {
	if c.opts.Window == nil {
		return c.window.Set(limit)
	}
	return c.own.Set(limit)
}

// Done is closed when no more deliveries will come: Err says why.
func (c *Consumer) Done() <-chan struct{} { return c.done }

// Err is nil while the consumer runs and after Cancel, [ErrCancelled] when the
// broker ended it, [ErrClosed] or the connection's error otherwise.
func (c *Consumer) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// counted reports whether it is a consumer of the queue still.
func (c *Consumer) counted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.stopping
}

// consumes reports whether it keeps exclusive consumers out: one that is still to be
// admitted itself does, unless it is exclusive, too.
func (c *Consumer) consumes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.stopping && (!c.applying || !c.opts.Exclusive)
}

// most is how many messages the consumer holds unsettled at most; a negative number is no
// limit.
func (c *Consumer) most() int {
	a, b := c.window.highest(), c.own.highest()
	switch {
	case c.opts.AutoAck:
		return 0
	case c.vacates.Load():
		return -1
	case a == 0 && b == 0:
		return -1
	case a == 0 || b == 0:
		return max(a, b)
	}
	return min(a, b)
}

// holdsMore tells the broker that the consumer may hold more than was said.
func (c *Consumer) holdsMore() {
	c.s.run(func() {
		ctx, cancel := context.WithTimeout(c.s.ctx, c.s.cfg.Timeout)
		defer cancel()
		if err := c.s.uses.enroll(ctx, c.queue); err != nil && c.s.ctx.Err() == nil {
			c.s.cfg.Logger.Debug("could not say yet how much a session holds", "queue", c.queue, "error", err)
		}
	})
}

// obey follows the record of the queue: it ends when that has gone.
func (c *Consumer) obey(rec *queueRecord) {
	if rec.Deleting || !c.s.epoch.standsQueue(rec) {
		c.expel(c.s.noQueue(c.queue))
	}
}

// deliver has a delivery wait for whoever receives. It reports whether the caller is to call
// Push, when it holds no lock any more.
func (c *Consumer) deliver(d *Delivery) (push bool) {
	c.mu.Lock()
	c.waiting.push(d)
	c.backlog.Store(int32(c.waiting.len()))
	push = c.opts.Push != nil && !c.pushing && !c.stopping
	c.pushing = c.pushing || push
	sleeping := c.sleeping > 0
	c.mu.Unlock()
	if sleeping {
		c.wakeNext()
	}
	return push
}

// next waits for a delivery; nil says that no more will come, or that the
// context ended.
func (c *Consumer) next(ctx context.Context) *Delivery {
	for ctx.Err() == nil {
		d, asleep := c.pop()
		if d != nil || !asleep {
			return d
		}
		select {
		case <-c.signal:
		case <-c.done:
		case <-ctx.Done():
		}
		c.wokeUp()
	}
	return nil
}

func (c *Consumer) wakeNext() {
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

// pop takes the oldest delivery, and wakes another handler if there are more.
// Without one, whoever asked is counted as asleep, unless the consumer has ended.
func (c *Consumer) pop() (d *Delivery, asleep bool) {
	c.mu.Lock()
	if c.stopping {
		c.mu.Unlock()
		return nil, false
	}
	if c.waiting.len() == 0 {
		c.sleeping++
		c.mu.Unlock()
		return nil, true
	}
	d = c.waiting.pop()
	left := c.waiting.len()
	c.backlog.Store(int32(left))
	another := left > 0 && c.sleeping > 0
	c.mu.Unlock()
	if another {
		c.wakeNext()
	}
	if left == maxBacklog/2 || left == 0 && c.hasRoom() { // it may have stopped asking
		c.d.refill()
	}
	return d, false
}

func (c *Consumer) wokeUp() {
	c.mu.Lock()
	c.sleeping--
	c.mu.Unlock()
}

// Run calls the handler with every delivery, [ConsumeOptions.Concurrency] at
// once, until the context ends or the consumer does. It then takes no more,
// hands back what no handler has seen, waits for the handlers that run, and
// returns the reason: nil for an ended context or Cancel. What handlers left
// unsettled may still be settled until the session ends. A handler that ends its
// goroutine, as runtime.Goexit does, has returned.
func (c *Consumer) Run(ctx context.Context, handle func(*Delivery)) error {
	var handlers sync.WaitGroup
	for range c.opts.Concurrency {
		handlers.Go(func() { c.handle(ctx, &handlers, handle) })
	}
	select {
	case <-ctx.Done():
	case <-c.done:
	}
	err := c.Cancel(context.WithoutCancel(ctx))
	handlers.Wait()
	return errors.Join(c.Err(), err)
}

// handle calls the handler with one delivery after another. A handler that ends the
// goroutine is followed by another goroutine.
func (c *Consumer) handle(ctx context.Context, handlers *sync.WaitGroup, handle func(*Delivery)) {
	handling := false
	defer func() {
		if !handling {
			return
		}
		if v := recover(); v != nil {
			panic(v)
		}
		handlers.Go(func() { c.handle(ctx, handlers, handle) })
	}()
	for d := c.next(ctx); d != nil; d = c.next(ctx) {
		handling = true
		handle(d)
		handling = false
	}
}

// Deliveries ranges over the deliveries until the context ends or the consumer
// does; a consumer that was not cancelled by us gives its error last, with a
// nil delivery. Leaving the range cancels the consumer, by a panic too, and hands
// back what was not ranged over.
func (c *Consumer) Deliveries(ctx context.Context) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		defer func() { _ = c.Cancel(context.WithoutCancel(ctx)) }()
		for d := c.next(ctx); d != nil; d = c.next(ctx) {
			if !yield(d, nil) {
				return
			}
		}
		err := c.Cancel(context.WithoutCancel(ctx))
		if err = errors.Join(c.Err(), err); err != nil {
			yield(nil, err)
		}
	}
}

// Each calls the handler with one delivery after another. It ends when the context ends,
// when the consumer ends, or when the handler returns an error. It then cancels the
// consumer and returns the reason, which is nil for an ended context or Cancel. The handler
// settles its delivery; one that it has not settled is held until the session ends. Use
// Each if an error of the handler should end the loop. Use [Consumer.Run] if handlers deal
// with their errors, or if several should run at once.
func (c *Consumer) Each(ctx context.Context, handle func(*Delivery) error) error {
	for d, err := range c.Deliveries(ctx) {
		if err == nil {
			err = handle(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Cancel ends the consumer: when it returns, no more deliveries come, and those
// nobody has received are back in the queue. Deliveries received before stay
// the session's to settle. Cancelling twice is cancelling once.
func (c *Consumer) Cancel(ctx context.Context) error {
	if !c.end(ctx) {
		return nil
	}
	err := c.s.do(ctx, func(ctx context.Context) error { return c.depart(ctx, false) })
	if err != nil {
		return fmt.Errorf("cancel consumer %q: %w", c.tag, err)
	}
	return nil
}

// Close ends the consumer and hands back everything that it holds, in order:
// deliveries that were received and not settled are in the queue again when it
// returns, as when AMQP closes a channel. Settling them is 406 then. Closing twice, or
// after Cancel, is closing once.
func (c *Consumer) Close(ctx context.Context) error {
	err := c.s.do(ctx, c.close)
	if err != nil {
		return fmt.Errorf("close consumer %q: %w", c.tag, err)
	}
	return nil
}

// close ends the consumer with its session, and hands back everything.
func (c *Consumer) close(ctx context.Context) error {
	if !c.end(ctx) {
		return nil
	}
	return c.depart(ctx, true)
}

// end stops the consumer; false says that it has departed, or is departing, already. Its
// queue does not expire before it is known that this consumer used it until now.
func (c *Consumer) end(ctx context.Context) bool {
	if !c.left.Load() && c.Err() == nil {
		c.tellUse(ctx)
	}
	return c.finish(nil)
}

// tellUse tells that the queue is used, or was until now. Where that cannot be told, it is
// seen that the queue has no consumers any more, later.
func (c *Consumer) tellUse(ctx context.Context) {
	rec := c.u.record()
	if rec == nil || rec.Expires == 0 || c.s.nc.IsClosed() {
		return
	}
	if err := c.s.queues.tellUse(ctx, rec); err != nil && c.s.ctx.Err() == nil {
		c.s.cfg.Logger.Warn("could not tell yet that a queue was used", "queue", c.queue, "error", err)
	}
}

// finish stops the consumer for a reason; false says that it has departed, or
// is departing, already.
func (c *Consumer) finish(reason error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopping {
		c.stop(reason)
	}
	return !c.left.Swap(true)
}

// depart takes the consumer out: what nobody has received, or all that it holds, is back
// in its place before another message is given. Then the queue loses a consumer.
func (c *Consumer) depart(ctx context.Context, all bool) error {
	err := c.d.leave(ctx, all, nil, c)
	return errors.Join(err, c.departed(ctx, err))
}

// departed counts a consumer out that is given nothing any more.
func (c *Consumer) departed(ctx context.Context, err error) error {
	_ = c.ledger.sync(ctx, c.s)
	_ = c.d.notes.sync(ctx, c.s)
	if err == nil {
		c.u.meetStrays(ctx)
	}
	c.unclaim(ctx)
	if c.ledger.count() == 0 {
		c.u.dismiss(ctx, c)
	}
	if c.Err() == nil {
		c.tellUse(ctx)
	}
	if rec := c.u.record(); rec != nil && rec.AutoDelete && c.Err() == nil && !c.s.nc.IsClosed() {
		return c.s.janitor.dropUnused(ctx, c.queue)
	}
	return nil
}

// withdraw gives what goes back into the queue when the consumer leaves: what nobody has
// received, or all that it holds.
func (c *Consumer) withdraw(all bool) (back []fetched, taken []*Delivery) {
	c.mu.Lock()
	waiting := c.waiting.drain()
	c.backlog.Store(0)
	c.mu.Unlock()
	taken = c.ledger.withdraw(waiting, all)
	c.give(places(taken))
	unseen := make(map[*Delivery]bool, len(waiting))
	for _, d := range waiting {
		unseen[d] = true
	}
	back = make([]fetched, 0, len(taken))
	for _, d := range taken {
		back = append(back, fetchedAgain(d, !unseen[d]))
	}
	return back, taken
}

// cancelled ends the consumer because the broker did.
func (c *Consumer) cancelled(reason error) {
	c.mu.Lock()
	first := !c.stopping
	if first {
		c.stop(reason)
	}
	c.mu.Unlock()
	if first && c.opts.Cancelled != nil {
		c.opts.Cancelled(reason)
	}
}

// stop has nothing more asked for. The lock is held.
func (c *Consumer) stop(reason error) {
	c.stopping = true
	c.err = reason
	close(c.done)
}

// expel ends the consumer because its queue has gone, or is another consumer's alone.
// Nobody needs to cancel it then, but may.
func (c *Consumer) expel(reason error) {
	c.cancelled(fmt.Errorf("%w: %w", ErrCancelled, reason))
	c.s.run(func() {
		if err := c.Cancel(c.s.ctx); err != nil && c.s.ctx.Err() == nil {
			c.s.cfg.Logger.Warn("could not clear a consumer away", "queue", c.queue, "error", err)
		}
	})
}

// idle reports whether the consumer has departed and holds nothing any more.
func (c *Consumer) idle() bool { return c.left.Load() && c.ledger.count() == 0 }

// retire ends the use of a consumer that was cancelled before its last delivery
// was settled.
func (c *Consumer) retire() {
	ctx, cancel := context.WithTimeout(c.s.ctx, c.s.cfg.Timeout)
	defer cancel()
	c.u.dismiss(ctx, c)
}

// shares reports whether its window asks for it: others share that.
func (c *Consumer) shares() bool { return !c.opts.AutoAck && c.window.shared.Load() }

func (c *Consumer) joinWindows() {
	c.window.join(c)
	c.own.join(c)
}

func (c *Consumer) partWindows() {
	c.window.part(c)
	c.own.part(c)
}

// ownRoom is how many more messages it may be given, as far as no other consumer counts.
func (c *Consumer) ownRoom() (free, limit int) {
	switch {
	case c.stalled.Load():
		return 0, unlimited
	case !c.opts.AutoAck:
		return c.own.room()
	case c.window.isStopped():
		return 0, unlimited
	}
	return max(maxBacklog-int(c.backlog.Load()), 0), unlimited
}

// hasRoom reports whether the consumer may be given a message.
func (c *Consumer) hasRoom() bool {
	free, _ := c.ownRoom()
	if free > 0 && !c.opts.AutoAck {
		free, _ = c.window.room()
	}
	return free > 0
}

// enter takes room for a message. False says that there is none.
func (c *Consumer) enter() bool {
	if c.opts.AutoAck {
		free, _ := c.ownRoom()
		return free > 0
	}
	if !c.enterOwn() {
		return false
	}
	if c.window.enter() {
		return true
	}
	c.own.give(1)
	return false
}

// enterOwn is enter for who has room in the window.
func (c *Consumer) enterOwn() bool { return !c.stalled.Load() && c.own.enter() }

// give takes settled messages out of the consumer's windows.
func (c *Consumer) give(n int) {
	if c.opts.AutoAck {
		return
	}
	c.own.give(n)
	c.window.give(n)
}

// hasEnded reports whether a message that would be given to the consumer is over.
func (c *Consumer) hasEnded(src *source, m fetched) bool {
	life, ends := lifetime(src.sieve.ttl, c.bounds(m.msg.Header))
	return ends && c.d.host.over(life, appearance{m.arrival, m.asked})
}

// bounds are the headers of a message that may bound its life.
func (c *Consumer) bounds(h nats.Header) nats.Header {
	if c.opts.IgnoreExpiration {
		return nil
	}
	return h
}

// vacated is told by the ledger that a delivery has given up its place.
func (c *Consumer) vacated() {
	if !c.vacates.Swap(true) {
		c.holdsMore()
	}
	c.give(1)
	c.d.refill()
}

// released is told by the ledger that deliveries are settled: it says the last
// verdict, and asks for as many more as they had places.
func (c *Consumer) released(places int, last *Delivery, v verdict) error {
	c.give(places)
	err := c.d.released(places, last, v)
	c.settled()
	return err
}

// requeued is told by the ledger that deliveries go back into the queue.
func (c *Consumer) requeued(places int, list []*Delivery) error {
	err := c.d.requeue(list, func() { c.give(places) })
	c.settled()
	return err
}

// settled has the window choose what comes next, and ends what is left of a consumer that
// holds nothing any more.
func (c *Consumer) settled() {
	if c.shares() {
		c.window.fill()
	}
	if c.idle() {
		c.s.run(c.retire)
	}
}
