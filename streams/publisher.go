package streams

import (
	"context"
	"slices"
	"sync"
	"time"
)

// PublisherOptions is how a publisher publishes. The zero value works.
type PublisherOptions struct {
	// Window is how many messages may be without a confirm at once. Default:
	// 256.
	Window int
	// Confirmed is called with the outcome of every message, in the order in
	// which they were published, one at a time. It must not block. Default:
	// the outcome is in the Confirm only.
	Confirmed func(*Confirm)
	// NoRoom has messages wait for which the broker has no room, where they would be
	// refused with [ErrResource]: they are published again, in their order, behind
	// what was under way with them and was taken, until the broker takes them, and for
	// that long their time does not run out. One of a batch of which a part may have
	// been stored is not: its error is [ErrUnconfirmed]. NoRoom is called
	// with the refusal when the first of them begins to wait, and with nil when none
	// waits any more, one call at a time. It must not block. Default: they are
	// refused.
	NoRoom func(refusal error)
}

func (o PublisherOptions) withDefaults() PublisherOptions {
	if o.Window == 0 {
		o.Window = 256
	}
	return o
}

// A Publisher publishes without waiting for each confirm: many are under way,
// up to its window. Its methods may be called from any goroutine; messages
// published from one keep their order. Those that no leader of a cluster was there
// for are published again in their order, behind what was under way with them and
// was taken. It needs no closing.
//
// Where each message takes the broker long, as where it syncs each to disk, what
// waits is sent in batches, which are synced once: that of all publishers of the
// [Node] together, and of those that wait in [Session.Publish]. A message that is
// refused is refused alone, and those around it are stored.
type Publisher struct {
	s      *Session
	opts   PublisherOptions
	tokens chan struct{}

	mu        sync.Mutex
	queue     []*Confirm // in order of publishing
	published uint64     // how many were ever in the queue
	ended     uint64     // how many of them have left it
	ending    bool       // somebody is taking answers off the queue
	failed    error      // the first failure since the last Flush
	flushes   []flush

	room room
}

// A flush waits until that many messages have left the queue.
type flush struct {
	until uint64
	done  chan struct{}
}

// Publisher makes a publisher with a window of its own.
func (s *Session) Publisher(o PublisherOptions) (*Publisher, error) {
	if o.Window < 0 {
		return nil, errPrecondition("window is %d; use a positive number", o.Window)
	}
	o = o.withDefaults()
	return &Publisher{s: s, opts: o, tokens: make(chan struct{}, o.Window)}, nil
}

// Publish publishes a message, waiting only while the window is full, and gives
// its Confirm, which the session's Timeout bounds. The body is not copied: leave
// it as it is for as long as the Confirm is in use. An error says that the
// message was not published.
func (p *Publisher) Publish(ctx context.Context, exchange, key string, m Message, flags ...PublishFlag) (*Confirm, error) {
	confirm, err := p.s.prepare(ctx, exchange, key, &m, flags)
	if err == nil {
		err = p.publish(ctx, confirm)
	}
	if err != nil {
		return nil, publishError(exchange, key, err)
	}
	p.s.explainPublish(exchange, key)
	return confirm, nil
}

// PublishAt is [Session.PublishAt] as Publish is [Session.Publish].
func (p *Publisher) PublishAt(ctx context.Context, at time.Time, queue, id string, m Message) (*Confirm, error) {
	confirm, err := p.s.prepareAt(ctx, at, queue, id, &m)
	if err == nil {
		err = p.publish(ctx, confirm)
	}
	if err != nil {
		return nil, publishAtError(queue, id, err)
	}
	return confirm, nil
}

func (p *Publisher) publish(ctx context.Context, confirm *Confirm) error {
	select {
	case p.tokens <- struct{}{}:
	default:
		select {
		case p.tokens <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := p.s.awaitOnline(ctx)
	if err == nil {
		confirm.sink = p
		confirm.deadline = time.Now().Add(p.s.cfg.Timeout)
		err = p.enter(ctx, confirm)
	}
	if err != nil {
		<-p.tokens
	}
	return err
}

// enter queues and publishes in one step, so that both have one order.
func (p *Publisher) enter(ctx context.Context, confirm *Confirm) error {
	p.mu.Lock()
	waits, err := p.s.enter(confirm)
	if err == nil {
		p.queue = append(p.queue, confirm)
		p.published++
	}
	p.mu.Unlock()
	if waits || err != nil {
		return err
	}
	if err := p.s.write(ctx, confirm); err != nil {
		// It stands in the queue of answers already: this is its answer.
		p.s.confirms.resolve(confirm, err)
	}
	return nil
}

// resolved takes the answers off the front of the queue that are there.
func (p *Publisher) resolved(confirm *Confirm) {
	p.room.taken(confirm, p.opts.NoRoom)
	p.mu.Lock()
	if p.ending {
		p.mu.Unlock()
		return
	}
	p.ending = true
	for len(p.queue) > 0 && isClosed(p.queue[0].done) {
		confirm := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		if p.failed == nil {
			p.failed = confirm.err
		}
		if p.opts.Confirmed != nil {
			p.mu.Unlock()
			calledBack("PublisherOptions.Confirmed", p.opts.Confirmed, confirm)
			p.mu.Lock()
		}
		<-p.tokens
		p.ended++
		p.flushed()
	}
	p.ending = false
	p.mu.Unlock()
}

// flushed ends the flushes that have waited long enough. The lock is held.
func (p *Publisher) flushed() {
	p.flushes = slices.DeleteFunc(p.flushes, func(f flush) bool {
		if p.ended < f.until {
			return false
		}
		close(f.done)
		return true
	})
}

// Flush waits until every message published so far is answered, and gives the
// first failure since the last Flush.
func (p *Publisher) Flush(ctx context.Context) error {
	ctx, cancel := p.s.bounded(ctx)
	defer cancel()
	f := flush{done: make(chan struct{})}
	p.mu.Lock()
	f.until = p.published
	p.flushes = append(p.flushes, f)
	p.flushed()
	p.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.failed
	p.failed = nil
	return err
}
