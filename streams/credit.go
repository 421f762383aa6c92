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

// plan decides what to ask for now, and appends it. The consumer's lock is held;
// the requests are sent without it, as a goroutine that waits for a lock costs
// more than all the rest.
func (c *Consumer) plan(plans []inquiry) []inquiry {
	if c.stopping || c.unplaced > 0 || c.shares() {
		return plans
	}
	free, limit := c.room()
	if free == 0 {
		return plans
	}
	if len(c.order) > 1 && limit < unlimited {
		return c.planMany(plans, free, limit)
	}
	for _, src := range c.order {
		plans = c.planOne(plans, src, free, limit)
	}
	return plans
}

// shares reports whether the consumer's window asks for it: others share it.
func (c *Consumer) shares() bool { return !c.opts.AutoAck && c.window.shared.Load() }

// room is how many messages the consumer may still be sent.
func (c *Consumer) room() (free, limit int) {
	if c.opts.AutoAck {
		return max(maxBacklog-c.waiting.len(), 0), unlimited
	}
	free, limit = c.window.room()
	ownFree, own := c.own.room()
	return min(free, ownFree), min(limit, own)
}

// give takes settled messages out of the consumer's windows.
func (c *Consumer) give(n int) {
	c.own.give(n)
	c.window.give(n)
}

// enter takes room for a message that has come. False says that there is none.
func (c *Consumer) enter(src *source, answer bool) bool {
	fits := c.own.enter()
	if c.window.came(src, answer, fits) {
		return fits
	}
	c.own.give(1)
	return false
}

func (c *Consumer) partWindows() {
	c.window.part(c)
	c.own.part(c)
}

// planOne keeps one request waiting at a source, for all there is room for: a
// consumer with two of them would have two turns for each turn of another. While
// messages are known to lie there it asks for those, too, in requests that do
// not last. Half of the window must be free, unless handlers run short of
// messages.
func (c *Consumer) planOne(plans []inquiry, src *source, free, limit int) []inquiry {
	free, limit = min(free, largestRequest), min(limit, largestRequest)
	switch {
	case src.large && src.asked > 0:
		return plans
	case src.large:
		return c.ask(plans, src, 1, lasting)
	case src.asked > 0:
		known := min(free, int(min(src.pending, largestRequest))) - src.asked
		if known > 0 && known*2 >= limit {
			return c.ask(plans, src, known, brief)
		}
		return plans
	}
	if free*2 < limit && c.waiting.len() > 0 {
		return plans
	}
	return c.ask(plans, src, free, lasting)
}

// planMany keeps a request for one message waiting at every source, and asks a
// busy one for what is known to lie there, as far as the window allows, in few
// requests that do not last: what other consumers took away meanwhile must not
// keep this one's room. A message that comes over the window is handed back.
func (c *Consumer) planMany(plans []inquiry, free, limit int) []inquiry {
	asked := 0
	for _, src := range c.order {
		if src.asked == 0 {
			plans = c.ask(plans, src, 1, lasting)
		}
		asked += src.asked
	}
	room := min(free, largestRequest) - asked
	if room*2 < min(limit, largestRequest) && c.waiting.len() > 0 {
		return plans
	}
	// The turn goes round, so that one busy source does not starve another.
	for i := range c.order {
		src := c.order[(c.turn+i)%len(c.order)]
		more := min(room, int(min(src.pending, largestRequest))-src.asked)
		if more > 0 && !src.large {
			plans = c.ask(plans, src, more, brief)
			room -= more
		}
	}
	c.turn++
	return plans
}

func (c *Consumer) ask(plans []inquiry, src *source, batch int, ends string) []inquiry {
	return append(plans, src.ask(c.inbox().subject, batch, ends))
}

// fewPlans is how many requests are planned at once without allocating.
const fewPlans = 4

// refill asks for what there is room for.
func (c *Consumer) refill() {
	if c.shares() {
		c.window.fill()
		return
	}
	var few [fewPlans]inquiry
	c.mu.Lock()
	plans := c.plan(few[:0])
	c.mu.Unlock()
	c.send(plans)
}

// send publishes requests.
func (c *Consumer) send(plans []inquiry) {
	for _, r := range plans {
		to, body := r.src.next, r.body
		if r.behind != "" {
			to, body = r.behind, r.next
		}
		if err := c.s.nc.PublishRequest(to, r.reply, body); err != nil {
			return // closed; whoever waits for messages is told
		}
	}
}

// received is called with every message of an inbox, one at a time. What comes to
// one that was left is an answer to nothing that is asked for still.
func (c *Consumer) received(box *inbox, msg *nats.Msg) {
	if a, ok := parseArrival(msg.Reply); ok {
		c.arrived(box, msg, a)
		return
	}
	c.notice(box, msg)
}

// arrived takes a message in: into the ledger at once, wherever it then waits,
// for its lease must be renewed and its room is taken.
func (c *Consumer) arrived(box *inbox, msg *nats.Msg, a arrival) {
	c.mu.Lock()
	src := c.sources[a.stream]
	if src == nil {
		c.mu.Unlock()
		_ = c.s.settleRaw(msg.Reply, verdictRequeue)
		return
	}
	answer := c.inbox() == box
	var asked time.Time
	if answer {
		asked, a.before = src.came(a)
	}
	wanted := src.sieve.wants(msg, a) && !c.hasEnded(src, msg, appearance{a, asked})
	if wanted && !c.opts.AutoAck {
		c.take(msg, a, src, answer)
		return
	}
	if !c.opts.AutoAck {
		c.window.came(src, answer, false)
	}
	var d *Delivery
	if wanted {
		d = newDelivery(msg, a, src)
	}
	c.mu.Unlock()
	_ = c.s.settleRaw(msg.Reply, verdictAck)
	if d != nil {
		d.ConsumerTag = c.tag
		c.ledger.number(d)
		c.s.explainDelivery("basic.deliver", c.queue, d, true)
		c.mu.Lock()
		c.deliver(d)
	} else {
		c.ledger.passOver(a.stream, msg.Reply)
	}
	c.refill()
}

// hasEnded reports whether a message that has come is over. The lock is held.
func (c *Consumer) hasEnded(src *source, msg *nats.Msg, a appearance) bool {
	life, ends := lifetime(src.sieve.ttl, c.bounds(msg.Header))
	if !ends {
		return false
	}
	if c.shares() {
		a.asked = c.window.asked(src)
	}
	return c.s.contents.hasEnded(life, a)
}

// bounds are the headers of a message that may bound its life.
func (c *Consumer) bounds(h nats.Header) nats.Header {
	if c.opts.IgnoreExpiration {
		return nil
	}
	return h
}

// take hands a message on that is to be settled, if the window has room for
// it, and asks for more when no more is under way: who gathers messages before
// it settles any waits for them. It is called with the lock held and gives it
// back released.
func (c *Consumer) take(msg *nats.Msg, a arrival, src *source, answer bool) {
	if !c.enter(src, answer) {
		c.mu.Unlock()
		_ = c.s.settleRaw(msg.Reply, verdictRequeue)
		return
	}
	d := newDelivery(msg, a, src)
	d.ConsumerTag = c.tag
	c.ledger.enter(d)
	if c.s.cfg.Explain != nil { // without the lock; one message at a time comes here
		c.mu.Unlock()
		c.s.explainDelivery("basic.deliver", c.queue, d, false)
		c.mu.Lock()
	}
	if c.shares() {
		c.window.fill() // before anybody knows that the room is taken
	}
	var few [fewPlans]inquiry
	plans := few[:0]
	if src.asked == 0 {
		plans = c.plan(plans)
	}
	c.deliver(d)
	c.send(plans)
}

// vacated is told by the ledger that a delivery has given up its place.
func (c *Consumer) vacated() {
	if !c.vacates.Swap(true) {
		c.holdsMore()
	}
	c.give(1)
	c.refill()
}

// released is told by the ledger that deliveries are settled: it says the last
// verdict, and asks for as many more as they had places.
func (c *Consumer) released(places int, last *Delivery, v verdict) error {
	c.give(places)
	var few [fewPlans]inquiry
	c.mu.Lock()
	var plans []inquiry
	src := c.sources[last.stream]
	acked := v == verdictAck && src != nil
	requeue := v == verdictRequeue && !c.stopping && src != nil
	if acked {
		src.settled = last.reply // what requests can go behind
	}
	if requeue {
		c.place(-1)
		c.placing = time.Now()
	} else {
		plans = c.plan(few[:0])
	}
	together := acked && len(plans) == 1 && plans[0].with(last)
	beside := acked && src.exchange == ""
	idle := c.idle()
	c.mu.Unlock()
	if idle {
		c.s.run(c.retire)
	}
	if c.shares() {
		defer c.window.fill()
	}
	switch {
	case requeue:
		return c.s.nc.PublishRequest(last.reply, c.inbox().subject+placed, verdictBytes[v])
	case together:
		return c.s.nc.PublishRequest(last.reply, plans[0].reply, plans[0].next)
	case beside:
		c.send(plans)
		return c.s.settleRaw(last.reply, v)
	}
	err := c.s.settleRaw(last.reply, v)
	c.send(plans)
	return err
}

// placed ends the subject on which the server answers a requeue. It works on
// acks and requests side by side, and a request sent right behind a requeue
// would be given the next message, not that one: so nothing is asked for until
// the answer is there.
const placed = ".placed"

// requeued is told that the server has put a requeued message back.
func (c *Consumer) requeued() {
	c.mu.Lock()
	c.place(min(c.unplaced, 1))
	c.mu.Unlock()
	c.refill()
}

// place counts requeued messages as put back, or as sent there with a negative
// number. The lock is held.
func (c *Consumer) place(n int) {
	c.unplaced -= n
	c.window.hold(-n)
}

// fullRequest is what the server says of a request that ends before its last message, as
// that would be more than the bytes that it asks for.
const fullRequest = "Message Size Exceeds MaxBytes"

// notice reads what the server says of a request: that it still waits, or why
// it has ended.
func (c *Consumer) notice(box *inbox, msg *nats.Msg) {
	if msg.Subject == box.subject+placed {
		c.requeued()
		return
	}
	src, batch := c.requestOf(box, msg.Subject)
	if src == nil {
		return
	}
	status := msg.Header.Get("Status")
	if c.shares() {
		c.noticeShared(src, status)
		return
	}
	left := batch
	if n, err := strconv.Atoi(msg.Header.Get("Nats-Pending-Messages")); err == nil {
		left = n
	}
	full := status == "409" && msg.Header.Get("Description") == fullRequest
	c.mu.Lock()
	src.heard = true
	if full {
		src.large = left == batch
	}
	if status != "100" {
		src.asked = max(src.asked-left, 0)
		src.asking.end(left)
	}
	if status == "404" || status == "408" {
		src.pending = 0
	}
	c.mu.Unlock()
	switch {
	case status == "100":
	case status == "404", status == "408", full:
		c.refill()
	default:
		// The consumer or its leader has gone: see what stands, then go on.
		c.s.refreshSoon(c.queue)
	}
}

func (c *Consumer) noticeShared(src *source, status string) {
	if c.window.answered(src, status) {
		c.s.refreshSoon(c.queue)
	}
	if status != "100" {
		c.window.fill()
	}
}

// requestOf finds the source and the size of the request an answer is to, unless
// its inbox was left.
func (c *Consumer) requestOf(box *inbox, subject string) (*source, int) {
	rest, ok := strings.CutPrefix(subject, box.subject+".")
	if !ok || c.inbox() != box {
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
	for _, src := range c.order {
		src.startOver()
	}
	c.place(c.unplaced)
	c.window.again(c, true)
	c.mu.Unlock()
	c.refill()
}

// askNothing takes back what was asked for, before the consumer asks in another
// way.
func (c *Consumer) askNothing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping || len(c.order) == 0 {
		return
	}
	for _, src := range c.order {
		src.startOver()
		clear(src.written)
	}
	c.place(c.unplaced)
	c.leaveInbox()
}

// missed asks again where a request was lost: the server would have sent a
// heartbeat.
func (c *Consumer) missed(now time.Time) {
	c.mu.Lock()
	for _, src := range c.order {
		if src.asked > 0 && src.silent(now) > lostAfter {
			src.startOver()
		}
	}
	if now.Sub(c.placing) > lostAfter {
		c.place(c.unplaced)
	}
	c.mu.Unlock()
	if c.shares() && c.window.missed(c, now) {
		c.s.refreshSoon(c.queue)
	}
	c.refill()
}
