package streams

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// A dispatcher is where the messages of one queue wait in this process, for all its
// consumers and gets here, of whichever session. It asks for no more than its consumers have
// room for together, gives to them in turns, and takes back what is requeued: that goes out
// again from its old place. What it can give to nobody goes back to the broker as soon as
// somebody else uses the queue.
type dispatcher struct {
	host  host
	queue string
	notes *ledger // of what is settled and was nobody's

	// giving is held while it is decided who is given a message: so each consumer gets its
	// messages in order. It is not held while Push runs.
	giving sync.Mutex
	giver  atomic.Pointer[giver] // who gives what is ready; nil: nobody

	mu      sync.Mutex
	members []*Consumer  // who is given messages
	sources []*source    // of the queue, as fetchers begin with them
	rec     *queueRecord // the newest that it was told; nil before
	main    *fetcher
	shared  []*fetcher // one for each window that is shared
	ready   readyList
	round   uint32 // counts the rounds of lease renewal
	idle    int    // for how many heartbeats nobody has had room for what is ready

	miscounted miscounts // of what went back to the broker

	waiting atomic.Int64 // the length of ready
	leaving inboxes      // that were left
	company company
	watched sync.Once
	over    chan struct{} // closed when nobody here uses the queue any more
}

// host is what a dispatcher needs of the process.
type host interface {
	request(to, reply string, body []byte) error
	settle(reply string, v verdict) error
	subscribe(subject string, received func(*nats.Msg)) (*nats.Subscription, error)
	newInbox() string
	closed() bool
	connected() bool
	// run does an errand beside, until the process is over.
	run(errand func()) bool
	// lookAgain looks at the queue again, whose requests the broker has ended, and then
	// calls lookedAgain.
	lookAgain()
	// forget makes the broker forget the requests to a source whose inbox has gone.
	forget(ctx context.Context, src *source) error
	// over reports whether a message has ended that may live for so long.
	over(life time.Duration, a appearance) bool
	// others reports whether another process uses the queue.
	others() (bool, error)
	// listen calls a function whenever another process begins to use the queue, until the
	// channel is closed.
	listen(over <-chan struct{}, began func()) error
	// renewHeld extends the lease of what consumers and gets hold.
	renewHeld()
	// explain is told of each delivery, if somebody wants that.
	explain(d *Delivery, autoAck bool)
}

func newDispatcher(queue string, l host) *dispatcher {
	d := &dispatcher{host: l, queue: queue, notes: newLedger(nil), over: make(chan struct{})}
	d.main = newFetcher(d, nil)
	return d
}

// obey follows the record of the queue: which sources there are, and what the queue
// wants of them. Several sessions may tell it, and not in the order of the records.
func (d *dispatcher) obey(rec *queueRecord, sources []*source) {
	d.mu.Lock()
	if d.rec != nil && d.rec.Life == rec.Life && d.rec.Version > rec.Version {
		d.mu.Unlock()
		return
	}
	if d.rec != nil && d.rec.Life != rec.Life {
		d.drain() // of a queue that has gone
	}
	d.rec, d.sources = rec, sources
	d.main.obey(sources)
	for _, f := range d.shared {
		f.obey(sources)
	}
	d.mu.Unlock()
	d.refill()
}

// enter lets a consumer have messages.
func (d *dispatcher) enter(c *Consumer) error {
	d.mu.Lock()
	there := slices.Contains(d.members, c)
	if !there {
		d.members = append(d.members, c)
	}
	d.mu.Unlock()
	if there {
		return nil
	}
	c.joinWindows()
	return d.arrange()
}

// arrange gives each consumer to the fetcher that asks for it: that of its window, if this
// is shared, or else the one of all others.
func (d *dispatcher) arrange() error {
	d.mu.Lock()
	err := d.arrangeHeld()
	d.mu.Unlock()
	return err
}

func (d *dispatcher) arrangeHeld() (err error) {
	rings := make(map[*fetcher][]*Consumer)
	for _, c := range d.members {
		f := d.fetcherOf(c)
		rings[f] = append(rings[f], c)
	}
	used := make([]*fetcher, 0, len(d.shared))
	for _, f := range d.shared {
		f.seat(rings[f])
		if len(f.ring) > 0 {
			used = append(used, f)
		}
		err = errors.Join(err, f.arranged())
	}
	d.shared = used
	d.main.seat(rings[d.main])
	return errors.Join(err, d.main.arranged())
}

// fetcherOf is the fetcher that asks for a consumer.
func (d *dispatcher) fetcherOf(c *Consumer) *fetcher {
	if !c.shares() {
		return d.main
	}
	for _, f := range d.shared {
		if f.window == c.window {
			return f
		}
	}
	f := newFetcher(d, c.window)
	f.obey(d.sources)
	d.shared = append(slices.Clip(d.shared), f)
	return f
}

// leave takes consumers out. What they were given and nobody has received goes back to its
// place, or all that they hold, and what was got and is not settled any more, before another
// message is given. While a Push of theirs runs, that waits, and others are given messages.
// When the last consumer has left, all goes back to the broker.
func (d *dispatcher) leave(ctx context.Context, all bool, got []*Delivery, list ...*Consumer) error {
	d.giving.Lock()
	err := d.exclude(list)
	if slices.ContainsFunc(list, (*Consumer).isPushing) {
		d.giving.Unlock()
		for _, c := range list {
			err = errors.Join(err, c.awaitPush(ctx))
		}
		d.giving.Lock()
	}
	d.mu.Lock()
	for _, delivery := range got {
		d.take([]fetched{fetchedAgain(delivery, true)})
	}
	held := make([][]*Delivery, len(list))
	for i, c := range list {
		var back []fetched
		back, held[i] = c.withdraw(all)
		d.take(back)
	}
	d.mu.Unlock()
	d.giving.Unlock()
	for i, c := range list {
		c.partWindows()
		if all {
			c.ledger.explainVerdict(held[i], true, verdictRequeue)
		}
	}
	err = errors.Join(err, d.giveUp(ctx))
	d.refill()
	return err
}

// exclude has nothing given to consumers any more.
func (d *dispatcher) exclude(list []*Consumer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.members = slices.DeleteFunc(d.members, func(m *Consumer) bool { return slices.Contains(list, m) })
	return d.arrangeHeld()
}

// take puts messages in at their places. The lock is held.
func (d *dispatcher) take(list []fetched) {
	for i := range list {
		list[i].round = d.round - 1 // its lease was renewed some time ago
	}
	d.ready.addAll(list)
	d.waiting.Store(int64(d.ready.len()))
}

// pop takes the first message that is ready out. The lock is held.
func (d *dispatcher) pop() fetched {
	m := d.ready.pop()
	d.waiting.Store(int64(d.ready.len()))
	return m
}

// drain takes all that is ready. The lock is held.
func (d *dispatcher) drain() []fetched {
	list := d.ready.drain()
	d.waiting.Store(0)
	return list
}

// giveUp hands everything back to the broker, if no consumer is left: when nothing comes
// any more, so that all of it goes back in order.
func (d *dispatcher) giveUp(ctx context.Context) error {
	if d.hasMembers() || d.host.closed() {
		return nil
	}
	err := d.leaving.wait(ctx)
	d.mu.Lock()
	sources := d.sources
	some := d.ready.len() > 0
	d.mu.Unlock()
	if some { // the broker would try to answer a request first, and put back what it took for that
		for _, src := range sources {
			if d.host.forget(ctx, src) != nil {
				break // the order suffers, nothing else does
			}
		}
	}
	var back []fetched
	d.mu.Lock()
	if len(d.members) == 0 {
		back = d.drain()
	}
	d.mu.Unlock()
	d.handBack(back)
	return err
}

// handBack gives messages back to the broker, in order.
func (d *dispatcher) handBack(list []fetched) {
	if len(list) == 0 {
		return
	}
	d.mu.Lock()
	for i := range list {
		d.miscounted.note(&list[i])
	}
	d.mu.Unlock()
	for i := range list {
		if d.host.settle(list[i].msg.Reply, verdictRequeue) != nil {
			return // the connection is gone; the lease does it
		}
		d.notes.gaveBack(list[i].stream, list[i].msg.Reply)
	}
}

func (d *dispatcher) hasMembers() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.members) > 0
}

// requeue takes back what was shown to somebody, and then gives up the room that it took.
// Without a consumer it goes to the broker.
func (d *dispatcher) requeue(list []*Delivery, release func()) error {
	if d.host.closed() {
		release()
		return nats.ErrConnectionClosed
	}
	var here, back []fetched
	for _, delivery := range list {
		m := fetchedAgain(delivery, true)
		if m.returns() && d.hasCompany() { // nobody here wants it
			back = append(back, m)
		} else {
			here = append(here, m)
		}
	}
	d.mu.Lock()
	if len(d.members) == 0 {
		back, here = append(here, back...), nil
		slices.SortStableFunc(back, func(a, b fetched) int { return a.compare(&b) })
	}
	d.take(here)
	release()
	d.mu.Unlock()
	d.handBack(back)
	d.refill()
	return nil
}

// released says the verdict of deliveries that were settled, the last of which is this, and
// asks for as many more as there is room for.
func (d *dispatcher) released(places int, last *Delivery, v verdict) error {
	var few [fewPlans]inquiry
	d.mu.Lock()
	src := d.main.sources[last.stream]
	acked := v == verdictAck && src != nil
	if acked {
		src.settled = last.reply // what requests can go behind
	}
	plans := d.main.planAgain(few[:0], places)
	together := acked && len(plans) == 1 && plans[0].with(last)
	beside := acked && src.exchange == ""
	more := d.ready.len() > 0
	d.mu.Unlock()
	if more {
		defer d.wake()
	}
	switch {
	case together:
		return d.host.request(last.reply, plans[0].reply, plans[0].next)
	case beside:
		d.send(plans)
		return d.host.settle(last.reply, v)
	}
	err := d.host.settle(last.reply, v)
	d.send(plans)
	return err
}

// A giver is a goroutine that gives what is ready.
type giver struct{ d *dispatcher }

// wake has what is ready given to whoever has room, if nobody does that.
func (d *dispatcher) wake() {
	if d.waiting.Load() == 0 || d.giver.Load() != nil {
		return
	}
	g := &giver{d}
	if d.giver.CompareAndSwap(nil, g) && !d.host.run(g.run) {
		d.giver.CompareAndSwap(g, nil)
	}
}

// run gives what is ready to whoever has room, until another one does.
func (g *giver) run() {
	d := g.d
	for {
		for d.giver.Load() == g && d.give(d.serve) {
		}
		// Room that was given back until here did not wake another one.
		if !d.giver.CompareAndSwap(g, nil) || !d.canServe() || !d.giver.CompareAndSwap(nil, g) {
			break
		}
	}
	d.mu.Lock()
	some, shared := d.ready.len() > 0, slices.Clone(d.shared)
	d.mu.Unlock()
	if some {
		for _, f := range shared {
			f.window.fill()
		}
		d.meetCompany()
	}
}

// mostAtOnce is how many messages are given before whoever else gives has a turn.
const mostAtOnce = 256

// give gives messages one after the other, and then calls Push: a message that is requeued
// by Push at once does not keep the next one waiting. False says that there was none to give.
// What gives one says to whom, nil for nobody, and whether its Push is to be called.
func (d *dispatcher) give(one func() (to *Consumer, push bool)) bool {
	var calls []*Consumer
	given := 0
	d.giving.Lock()
	for ; given < mostAtOnce; given++ {
		c, push := one()
		if c == nil {
			break
		}
		if push {
			calls = append(calls, c)
		}
	}
	d.giving.Unlock()
	for i, c := range calls {
		if i == len(calls)-1 || !d.host.run(c.push) { // one that does not return keeps no other
			c.push()
		}
	}
	return given > 0
}

// serve gives one message that is ready to whoever has room.
func (d *dispatcher) serve() (to *Consumer, push bool) {
	d.mu.Lock()
	if d.ready.len() > 0 {
		to = d.main.next((*Consumer).enter)
	}
	if to == nil {
		d.mu.Unlock()
		return nil, false
	}
	return to, d.hand(d.main, to, d.pop())
}

// canServe reports whether something is ready for which there is room.
func (d *dispatcher) canServe() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	free, _, _ := d.main.room()
	return d.ready.len() > 0 && free > 0
}

// hand gives a message to a consumer that has taken room for it, and asks for more when no
// more is under way: who gathers messages before it settles any waits for them. It reports
// whether the caller is to call the consumer's Push, when it holds no lock any more. It is
// called with the lock held and gives it back released.
func (d *dispatcher) hand(f *fetcher, c *Consumer, m fetched) (push bool) {
	src := f.sources[m.stream]
	if src == nil || c.hasEnded(src, m) {
		d.mu.Unlock()
		c.give(1)
		d.drop(m, src == nil)
		d.refill()
		return false
	}
	delivery := newDelivery(m.msg, m.arrival, src)
	delivery.ConsumerTag = c.tag
	if !c.opts.AutoAck {
		c.ledger.enter(delivery, m.round == d.round)
	}
	if f.window != nil {
		f.window.fill() // before anybody knows that the room is taken
	}
	var few [fewPlans]inquiry
	plans := few[:0]
	if src.asked == 0 {
		plans = f.plan(plans)
	}
	d.mu.Unlock()
	if c.opts.AutoAck {
		_ = d.host.settle(m.msg.Reply, verdictAck)
		c.ledger.number(delivery)
	}
	d.host.explain(delivery, c.opts.AutoAck)
	push = c.deliver(delivery)
	d.send(plans)
	if c.opts.AutoAck {
		d.refill()
	}
	return push
}

// drop acknowledges a message that nobody is to see, or gives back what is nobody's here.
func (d *dispatcher) drop(m fetched, back bool) {
	v := verdictAck
	if back {
		v = verdictRequeue
	}
	_ = d.host.settle(m.msg.Reply, v)
	d.notes.passOver(m.stream, m.msg.Reply)
}

// get takes the first message that is ready and has not ended.
func (d *dispatcher) get() *Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropEnded()
	if d.ready.len() == 0 {
		return nil
	}
	m := d.pop()
	delivery := newDelivery(m.msg, m.arrival, d.source(m.stream))
	delivery.round = m.round
	return delivery
}

// dropEnded drops what has ended at the front of what is ready. The lock is held.
func (d *dispatcher) dropEnded() {
	for d.ready.len() > 0 {
		m := d.ready.front()
		src := d.source(m.stream)
		if src != nil {
			life, ends := lifetime(src.sieve.ttl, m.msg.Header)
			if !ends || !d.host.over(life, appearance{arrival: m.arrival}) {
				return
			}
		}
		d.drop(d.pop(), src == nil)
	}
}

// source is that of a stream; nil says that the queue has none. The lock is held.
func (d *dispatcher) source(stream string) *source {
	for _, src := range d.sources {
		if src.stream == stream {
			return src
		}
	}
	return nil
}

// purge drops all that is ready, and says how many messages there were.
func (d *dispatcher) purge() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropEnded()
	list := d.drain()
	for _, m := range list {
		d.drop(m, false)
	}
	return len(list)
}

// void lets go of what is ready, as the queue of that life has gone.
func (d *dispatcher) void(life string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rec == nil || d.rec.Life == life {
		d.drain()
	}
}

// countAt adds up how many messages are ready here, by stream.
func (d *dispatcher) countAt(streams map[string]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropEnded()
	d.ready.countAt(streams)
}

// renew extends the lease of what is ready.
func (d *dispatcher) renew() error {
	d.mu.Lock()
	due := d.ready.due(d.round)
	d.round++
	d.mu.Unlock()
	for _, reply := range due {
		if err := d.host.settle(reply, leaseRenewal); err != nil {
			return err
		}
	}
	return nil
}

// refill gives what is ready, and asks for what there is room for.
func (d *dispatcher) refill() {
	var few [fewPlans]inquiry
	d.mu.Lock()
	plans := d.main.plan(few[:0])
	shared := d.shared
	d.mu.Unlock()
	d.send(plans)
	for _, f := range shared {
		f.window.fill()
	}
	d.wake()
}

// send publishes requests.
func (d *dispatcher) send(plans []inquiry) {
	for _, r := range plans {
		to, body := r.src.next, r.body
		if r.behind != "" {
			to, body = r.behind, r.next
		}
		if err := d.host.request(to, r.reply, body); err != nil {
			return // closed; whoever waits for messages is told
		}
	}
}

// fetchers are all of them.
func (d *dispatcher) fetchers() []*fetcher {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append(slices.Clone(d.shared), d.main)
}

// askAgain forgets what was asked for, after a reconnection, when the server
// has forgotten it too.
func (d *dispatcher) askAgain() {
	d.company.doubt()
	for _, f := range d.fetchers() {
		f.startOver()
	}
	d.refill()
}

// lookedAgain goes on after the queue was looked at.
func (d *dispatcher) lookedAgain() {
	for _, f := range d.fetchers() {
		f.window.again(f, false)
	}
	d.refill()
}

// missed asks again where a request was lost: the server would have sent a
// heartbeat. It takes back what was asked for and there is no room for any more.
func (d *dispatcher) missed(now time.Time) {
	lost := false
	for _, f := range d.fetchers() {
		lost = f.missed(now) || lost
	}
	if lost {
		d.host.lookAgain()
	}
	d.relieve()
	d.trim()
	d.refill()
	d.beat()
	d.meetCompany()
}

// trim takes back requests if more is asked for than there is room for.
func (d *dispatcher) trim() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.main.trim()
}
