package streams

import (
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// The credit loop. A consumer asks its sources for no more messages than its
// window has room for, so that prefetch bounds what is unsettled, and not, as
// in JetStream's own clients, what is buffered.

// plan decides what to ask for now. The consumer's lock is held.
func (c *Consumer) plan() []request {
	if c.stopping {
		return nil
	}
	free, limit := c.room()
	if free == 0 {
		return nil
	}
	if len(c.order) == 1 {
		return c.planOne(c.order[0], free, limit)
	}
	return c.planMany(free, limit)
}

// room is how many messages the consumer may still be sent.
func (c *Consumer) room() (free, limit int) {
	if c.opts.AutoAck {
		return max(maxBacklog-len(c.waiting), 0), unlimited
	}
	return c.window.room()
}

// planOne asks the only source for all there is room for, in few requests:
// half of the window must be free, unless handlers run short of messages.
func (c *Consumer) planOne(src *source, free, limit int) []request {
	free, limit = min(free, largestRequest), min(limit, largestRequest)
	want := free - src.asked
	if want <= 0 || want*2 < limit && !c.starved(src) {
		return nil
	}
	return c.ask(c.plans[:0], request{src: src, batch: want})
}

// starved reports whether nothing is under way or waits for a handler.
func (c *Consumer) starved(src *source) bool {
	return src.asked == 0 && len(c.waiting) == 0
}

// planMany keeps a request for one message waiting at every source, and asks a
// busy one for what is known to lie there, as far as the window allows, in few
// requests that do not last: what other consumers took away meanwhile must not
// keep this one's room. A message that comes over the window is handed back.
func (c *Consumer) planMany(free, limit int) []request {
	plans := c.plans[:0]
	asked := 0
	for _, src := range c.order {
		if src.asked == 0 {
			plans = c.ask(plans, request{src: src, batch: 1})
		}
		asked += src.asked
	}
	room := min(free, largestRequest) - asked
	if room*2 < min(limit, largestRequest) && len(c.waiting) > 0 {
		return plans
	}
	// The turn goes round, so that one busy source does not starve another.
	for i := range c.order {
		src := c.order[(c.turn+i)%len(c.order)]
		more := min(room, int(min(src.pending, largestRequest))-src.asked)
		if more > 0 {
			plans = c.ask(plans, request{src: src, batch: more, brief: true})
			room -= more
		}
	}
	c.turn++
	return plans
}

func (c *Consumer) ask(plans []request, r request) []request {
	r.src.asked += r.batch
	r.src.heard = time.Now()
	return append(plans, r)
}

// refill asks for what there is room for.
func (c *Consumer) refill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send(c.plan())
}

// send publishes requests. The consumer's lock is held: requests must not
// overtake each other's bookkeeping.
func (c *Consumer) send(plans []request) {
	for _, r := range plans {
		c.scratch = r.body(c.scratch[:0])
		if err := c.s.nc.PublishRequest(r.src.next, r.reply(c.inbox), c.scratch); err != nil {
			return // closed; whoever waits for messages is told
		}
	}
	c.plans = plans[:0]
}

// received is called with every message of the inbox, one at a time.
func (c *Consumer) received(msg *nats.Msg) {
	if a, ok := parseArrival(msg.Reply); ok {
		c.arrived(msg, a)
		return
	}
	c.notice(msg)
}

// arrived takes a message in: into the ledger at once, wherever it then waits,
// for its lease must be renewed and its room is taken.
func (c *Consumer) arrived(msg *nats.Msg, a arrival) {
	c.mu.Lock()
	src := c.sources[a.stream]
	if src == nil {
		c.mu.Unlock()
		_ = c.s.settleRaw(msg.Reply, verdictRequeue)
		return
	}
	src.asked = max(src.asked-1, 0)
	src.pending = a.pending
	src.heard = time.Now()
	if !src.sieve.wants(msg, a) {
		c.skip(msg.Reply)
		c.mu.Unlock()
		return
	}
	if c.opts.AutoAck {
		c.skip(msg.Reply)
	} else if !c.window.take() {
		c.mu.Unlock()
		_ = c.s.settleRaw(msg.Reply, verdictRequeue)
		return
	}
	d := newDelivery(msg, a, src)
	d.ConsumerTag = c.tag
	if c.opts.AutoAck {
		c.ledger.number(d)
	} else {
		c.ledger.enter(d)
	}
	c.deliver(d)
}

// skip settles a message that takes no room, and asks for another. The
// consumer's lock is held.
func (c *Consumer) skip(reply string) {
	_ = c.s.settleRaw(reply, verdictAck)
	c.send(c.plan())
}

// released is told by the ledger that deliveries are settled: it says the last
// verdict, and asks for as many more. An ack and the request go in one message:
// a request of its own overtakes the acks that wait for the broker's disk, and
// the broker would have more out than the window, all of which a crash of it
// brings back.
func (c *Consumer) released(settled int, last *Delivery, v verdict) error {
	c.window.give(settled, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	plans := c.plan()
	if v == verdictAck && len(plans) == 1 {
		return c.ackAndNext(last, plans[0])
	}
	err := c.s.settleRaw(last.reply, v)
	c.send(plans)
	if c.idle() {
		go c.retire()
	}
	return err
}

// ackAndNext acknowledges a message and asks for more.
func (c *Consumer) ackAndNext(d *Delivery, r request) error {
	if !strings.HasPrefix(d.reply, r.src.acks) {
		// The room goes to another source than the one it came from.
		err := c.s.settleRaw(d.reply, verdictAck)
		c.send(append(c.plans[:0], r))
		return err
	}
	c.scratch = r.body(append(c.scratch[:0], "+NXT "...))
	return c.s.nc.PublishRequest(d.reply, r.reply(c.inbox), c.scratch)
}

// notice reads what the server says of a request: that it still waits, or why
// it has ended.
func (c *Consumer) notice(msg *nats.Msg) {
	src, batch := c.requestOf(msg.Subject)
	if src == nil {
		return
	}
	status := msg.Header.Get("Status")
	left := batch
	if n, err := strconv.Atoi(msg.Header.Get("Nats-Pending-Messages")); err == nil {
		left = n
	}
	c.mu.Lock()
	src.heard = time.Now()
	if status != "100" {
		src.asked = max(src.asked-left, 0)
	}
	if status == "404" || status == "408" {
		src.pending = 0
	}
	c.mu.Unlock()
	switch status {
	case "100":
	case "404", "408":
		c.refill()
	default:
		// The consumer or its leader has gone: see what stands, then go on.
		c.s.refreshSoon(c.queue)
	}
}

// requestOf finds the source and the size of the request an answer is to.
func (c *Consumer) requestOf(subject string) (*source, int) {
	rest, ok := strings.CutPrefix(subject, c.inbox+".")
	if !ok {
		return nil, 0
	}
	token, size, _ := strings.Cut(rest, ".")
	batch, _ := strconv.Atoi(size)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, src := range c.order {
		if src.token == token {
			return src, batch
		}
	}
	return nil, 0
}

// askAgain forgets what was asked for, after a reconnection, when the server
// has forgotten it too.
func (c *Consumer) askAgain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, src := range c.order {
		src.asked = 0
	}
	c.send(c.plan())
}

// missed asks again where a request was lost: the server would have sent a
// heartbeat.
func (c *Consumer) missed(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := false
	for _, src := range c.order {
		if src.asked > 0 && now.Sub(src.heard) > lostAfter {
			src.asked, src.heard, lost = 0, now, true
		}
	}
	if lost || !c.stopping {
		c.send(c.plan())
	}
}
