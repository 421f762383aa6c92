package streams

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/nats-io/nats.go"
)

// A ledger is what one consumer, or Get, holds: its unsettled deliveries in the
// order of their tags. It is where a delivery is settled exactly once.
type ledger struct {
	// owner says the verdict of what was settled.
	owner settler
	send  func(reply string, v verdict) error
	// explain is told what was settled; nil: nobody is.
	explain func(amqp string, nats ...string)

	mu     sync.Mutex
	last   uint64       // the last tag given out
	first  uint64       // the tag of held[0]
	held   []*Delivery  // settled ones are nil
	front  int          // how many at the front of held are settled
	open   int          // how many of held are not settled
	round  uint32       // counts the rounds of lease renewal
	recent []settlement // the last of each stream
	closed bool         // handed back: nothing can be settled any more
}

// settlement is a settled delivery, as its stream knows it, and whether it, or one before
// it, was handed back.
type settlement struct {
	stream, reply string
	back          bool
}

// settler is told of settled deliveries, one call a settling, with how many places
// in the window they had, and of those that give up theirs before.
type settler interface {
	released(places int, last *Delivery, v verdict) error
	requeued(places int, list []*Delivery) error
	vacated()
}

func newLedger(owner settler) *ledger {
	return &ledger{owner: owner, first: 1}
}

// enter gives a delivery its tag. The lease of one that has just come need not be renewed
// soon.
func (l *ledger) enter(d *Delivery, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	d.Tag = l.last
	d.ledger = l
	if d.round = l.round; !fresh {
		d.round--
	}
	l.held = append(l.held, d)
	l.open++
}

// number gives a tag to a delivery that is settled already.
func (l *ledger) number(d *Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	d.Tag = l.last
	l.note(d.stream, d.reply, false)
	if l.open == 0 {
		l.empty()
		return
	}
	l.held = append(l.held, nil)
}

// passOver notes a message that was acknowledged unseen: it is not the queue's.
func (l *ledger) passOver(stream, reply string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(stream, reply, false)
}

// gaveBack notes a message that was handed back unseen.
func (l *ledger) gaveBack(stream, reply string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(stream, reply, true)
}

// note remembers the last settled delivery of each stream.
func (l *ledger) note(stream, reply string, back bool) {
	for i := range l.recent {
		if l.recent[i].stream == stream {
			l.recent[i].reply = reply
			l.recent[i].back = l.recent[i].back || back
			return
		}
	}
	l.recent = append(l.recent, settlement{stream, reply, back})
}

// sync returns when the broker has taken note of what was settled. Two that ask at once
// wait both.
func (l *ledger) sync(ctx context.Context, s *Session) error {
	return l.syncEach(ctx, s, l.lately())
}

// syncReturned is sync of what was handed back.
func (l *ledger) syncReturned(ctx context.Context, s *Session) error {
	return l.syncEach(ctx, s, slices.DeleteFunc(l.lately(), func(last settlement) bool { return !last.back }))
}

func (l *ledger) syncEach(ctx context.Context, s *Session, each []settlement) error {
	for _, last := range each {
		if !s.nc.IsConnected() {
			return nil
		}
		err := s.reader.settledAt(ctx, last.reply)
		if err != nil && !errors.Is(err, nats.ErrNoResponders) { // whose source has gone
			return err
		}
		l.synced(last)
	}
	return nil
}

// lately gives the last delivery of each stream that was settled and not synced.
func (l *ledger) lately() []settlement {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.recent)
}

// synced forgets a settlement, unless another one came behind it.
func (l *ledger) synced(done settlement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.recent, done); i >= 0 {
		l.recent = slices.Delete(l.recent, i, i+1)
	}
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// countAt adds up how many are held of each stream.
func (l *ledger) countAt(streams map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == 0 {
		return
	}
	for _, d := range l.held {
		if d != nil {
			streams[d.stream]++
		}
	}
}

// take marks a delivery as settled; false says that it was already.
func (l *ledger) take(d *Delivery) bool {
	if d.settled || l.closed {
		return false
	}
	d.settled = true
	l.held[d.Tag-l.first] = nil
	l.open--
	l.trim()
	return true
}

// trim lets go of what is settled at the front.
func (l *ledger) trim() {
	if l.open == 0 {
		l.empty()
		return
	}
	for l.held[l.front] == nil {
		l.front++
	}
	// Moving the rest down is worth it once the front is the larger part.
	if l.front > 32 && l.front > len(l.held)/2 {
		l.held = slices.Delete(l.held, 0, l.front)
		l.first += uint64(l.front)
		l.front = 0
	}
}

// empty begins anew behind the last tag. Nothing is open.
func (l *ledger) empty() {
	l.held = l.held[:0]
	l.first = l.last + 1
	l.front = 0
}

// places counts the deliveries that have a place in the window.
func places(list []*Delivery) int {
	n := 0
	for _, d := range list {
		if !d.vacated {
			n++
		}
	}
	return n
}

// void lets go of everything because the queue has gone: what is said of these
// messages could meet those of the next queue of that name. It says how many
// places they had.
func (l *ledger) void() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := l.takeUpTo(^uint64(0), verdictLapse)
	for _, d := range open {
		d.void = true
	}
	l.recent = l.recent[:0]
	return places(open)
}

// voided reports, once, that a delivery went with its queue: AMQP lets it be
// settled as if it had not. The lock is held.
func (l *ledger) voided(d *Delivery) bool {
	was := d.void
	d.void = false
	return was
}

func (l *ledger) settle(d *Delivery, v verdict) error {
	l.mu.Lock()
	if l.voided(d) {
		l.mu.Unlock()
		return nil
	}
	ok := l.take(d)
	if ok && v != verdictLapse {
		l.note(d.stream, d.reply, v == verdictRequeue)
	}
	l.mu.Unlock()
	if !ok {
		return errUnknownTag(d.Tag)
	}
	err := l.tellOne(d, v)
	if err == nil && l.explain != nil {
		l.explainVerdict([]*Delivery{d}, false, v)
	}
	return err
}

// tellOne is tell for one delivery, without a list of it.
func (l *ledger) tellOne(d *Delivery, v verdict) error {
	if v == verdictRequeue {
		return l.tell([]*Delivery{d}, v)
	}
	place := 1
	if d.vacated {
		place = 0
	}
	return l.owner.released(place, d, v)
}

// vacate gives up the place of a delivery that is not settled.
func (l *ledger) vacate(d *Delivery) {
	l.mu.Lock()
	gives := !d.settled && !d.vacated && !l.closed
	d.vacated = d.vacated || gives
	l.mu.Unlock()
	if gives {
		l.owner.vacated()
	}
}

// settleUpTo settles all open deliveries up to one, in the order in which they
// were published: handed back in another, they would come back in that one.
func (l *ledger) settleUpTo(d *Delivery, v verdict) error {
	l.mu.Lock()
	if l.voided(d) {
		l.mu.Unlock()
		return nil
	}
	if d.settled || l.closed {
		l.mu.Unlock()
		return errUnknownTag(d.Tag)
	}
	settled := l.takeUpTo(d.Tag, v)
	l.mu.Unlock()
	last := len(settled) - 1
	for _, other := range settled[:last] {
		if v == verdictRequeue {
			break // all of them together
		}
		if err := l.send(other.reply, v); err != nil {
			return err
		}
	}
	err := l.tell(settled, v)
	if err == nil {
		l.explainVerdict(settled, true, v)
	}
	return err
}

func (l *ledger) takeUpTo(tag uint64, v verdict) []*Delivery {
	var settled []*Delivery
	for _, d := range l.held {
		if d != nil && d.Tag <= tag {
			settled = append(settled, d)
		}
	}
	for _, d := range settled {
		l.take(d)
		l.note(d.stream, d.reply, v == verdictRequeue)
	}
	// What came back and went out again has a later tag than what it was before.
	slices.SortStableFunc(settled, func(a, b *Delivery) int { return a.stamp.Compare(b.stamp) })
	return settled
}

// tell says the verdict of the last settled delivery; the owner may put its
// request for more into the same message.
func (l *ledger) tell(settled []*Delivery, v verdict) error {
	last := settled[len(settled)-1]
	if v == verdictRequeue {
		return l.owner.requeued(places(settled), settled)
	}
	return l.owner.released(places(settled), last, v)
}

// withdraw takes deliveries out that go back as if nobody had settled them: those that are
// given, or all, and then nothing can be settled any more. It gives what it took.
func (l *ledger) withdraw(list []*Delivery, all bool) (taken []*Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if all {
		taken = l.takeUpTo(^uint64(0), verdictRequeue)
		l.closed = true
		return taken
	}
	for _, d := range list {
		if d.ledger != nil && l.take(d) { // without a ledger it is settled already
			taken = append(taken, d)
		}
	}
	return taken
}

// renew extends the lease of everything held for longer than a round.
func (l *ledger) renew() error {
	l.mu.Lock()
	var due []string
	for _, d := range l.held {
		if d != nil && d.round != l.round {
			d.round = l.round
			due = append(due, d.reply)
		}
	}
	l.round++
	l.mu.Unlock()
	for _, reply := range due {
		if err := l.send(reply, leaseRenewal); err != nil {
			return err
		}
	}
	return nil
}
