package streams

import "context"

// Push is called by the goroutine that gives a message, with no lock held: the one that
// receives from the broker, or a giver. A Push that does not return keeps that goroutine,
// so after a heartbeat another one takes its place, and the consumer is given nothing until
// its Push returns.

// push calls Push with what waits, one delivery after the other. Nobody else does. When Push
// has stopped the flow, what waits behind it goes back to its place.
func (c *Consumer) push() {
	for {
		d, goesOn := c.toPush()
		if goesOn {
			c.d.refill()
		}
		if d == nil {
			return
		}
		calledBack("ConsumeOptions.Push", c.opts.Push, d)
		if c.backlog.Load() > 0 && c.window.isStopped() {
			c.d.takeBack(c)
		}
	}
}

// toPush takes the delivery that Push is called with next; nil ends the calls. It reports
// whether the consumer may be given messages again, as its Push has returned at last.
func (c *Consumer) toPush() (d *Delivery, goesOn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if goesOn = c.stalled.Load(); goesOn {
		c.stalled.Store(false)
	}
	if !c.stopping && c.waiting.len() > 0 {
		d = c.waiting.pop()
		c.backlog.Store(int32(c.waiting.len()))
		c.pushes++
		return d, goesOn
	}
	c.pushing = false
	if c.pushed != nil {
		close(c.pushed)
		c.pushed = nil
	}
	return nil, goesOn
}

func (c *Consumer) isPushing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pushing
}

// awaitPush returns when nobody calls Push any more. The consumer must have been stopped.
func (c *Consumer) awaitPush(ctx context.Context) error {
	c.mu.Lock()
	if !c.pushing {
		c.mu.Unlock()
		return nil
	}
	if c.pushed == nil {
		c.pushed = make(chan struct{})
	}
	pushed := c.pushed
	c.mu.Unlock()
	select {
	case <-pushed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stalls reports whether the same Push has been running since this was asked last, and is
// not known to.
func (c *Consumer) stalls() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := c.pushing && c.pushes == c.seen
	c.seen = c.pushes
	return since && !c.stalled.Swap(true)
}

// takeBack puts what a consumer was given and nobody has received in at its place again.
func (d *dispatcher) takeBack(c *Consumer) {
	d.giving.Lock()
	d.mu.Lock()
	d.takeUnseen(c)
	d.mu.Unlock()
	d.giving.Unlock()
	d.refill()
}

// takeUnseen is takeBack. The locks are held.
func (d *dispatcher) takeUnseen(c *Consumer) {
	if c.opts.AutoAck {
		return // what is settled cannot go to another
	}
	back, _ := c.withdraw(false)
	d.take(back)
}

// relieve has others give and receive messages in place of those that a Push keeps, and
// takes back what waits for that Push.
func (d *dispatcher) relieve() {
	d.giving.Lock()
	defer d.giving.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.members {
		if !c.stalls() {
			continue
		}
		d.takeUnseen(c)
		f := d.fetcherOf(c)
		f.replaceInbox()
		d.giver.Store(nil)
		if f.window != nil {
			d.host.run(f.serveAll)
		}
	}
}
