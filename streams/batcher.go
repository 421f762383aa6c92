package streams

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// A batcher gathers what all publishers of a node publish to one stream.
// As a rule each message goes at once. Where the stream is so slow that a batch pays,
// the batcher gathers: one batch is under way, and the messages that come meanwhile
// wait, and are the next. That is no delay: they would wait at the broker. And it keeps
// the order of each publisher whatever becomes of the batch, as a batch that is refused
// is published again one by one.
type batcher struct {
	n      *node
	stream string

	mu        sync.Mutex
	dropped   bool // no message enters it any more
	cost      batchCost
	gathering bool
	never     bool // the stream takes no batches, or is in memory, where nothing is synced
	synced    bool // the stream is in files, and the broker is known to sync each message
	looked    bool // whether it is was asked before
	looking   bool // somebody asks
	waiting   []*Confirm
	open      int  // how many were sent one by one and have no answer
	flying    bool // a batch, or singles, are being written, or a batch has no answer

	caution caution       // of what goes next
	pause   time.Duration // before it

	answers  meter
	spent    time.Duration // on batches, since singles were measured
	idle     int           // how often in a row no batch paid
	expected int           // as many as the last batch had may come again at once
	complete chan struct{} // closed when as many wait; nil while nobody asks
}

// batchers are the batchers of a node.
type batchers struct {
	n      *node
	broker syncing

	mu   sync.RWMutex
	all  map[target]*batcher
	cost *batchCost // of the stream that had a batch last; nil before one had
}

// A target is what leads to one stream: an exchange, or on the default exchange a key.
type target struct{ exchange, key string }

// maxBatchers is how many streams a node remembers that it has nothing under way to.
const maxBatchers = 256

// enter takes a message in, which waits for the next batch, or is to be sent at once.
func (bs *batchers) enter(confirm *Confirm) (waits bool, err error) {
	for {
		b := bs.of(confirm)
		b.mu.Lock()
		if !b.dropped {
			defer b.mu.Unlock()
			return b.enterLocked(confirm)
		}
		b.mu.Unlock()
	}
}

// of is the batcher of a message.
func (bs *batchers) of(confirm *Confirm) *batcher {
	to := target{exchange: confirm.exchange}
	if confirm.exchange == "" {
		to.key = confirm.key
	}
	bs.mu.RLock()
	b := bs.all[to]
	bs.mu.RUnlock()
	if b == nil {
		b = bs.add(to)
	}
	return b
}

func (bs *batchers) add(to target) *batcher {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if b := bs.all[to]; b != nil {
		return b
	}
	if bs.all == nil {
		bs.all = make(map[target]*batcher)
	}
	if len(bs.all) >= maxBatchers {
		maps.DeleteFunc(bs.all, func(_ target, b *batcher) bool { return b.drop() })
	}
	b := newBatcher(bs.n, bs.n.streamOf(to.exchange, to.key))
	bs.all[to] = b
	return b
}

// learned notes what batches cost, for streams that had none.
func (bs *batchers) learned(cost batchCost) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.cost = &cost
}

// known is what batches cost that the node has sent to any stream, if it has.
func (bs *batchers) known() (cost *batchCost, known bool) {
	bs.mu.RLock()
	defer bs.mu.RUnlock()
	return bs.cost, bs.cost != nil
}

func newBatcher(n *node, stream string) *batcher {
	return &batcher{n: n, stream: stream, never: n.noBatches.Load(), cost: newBatchCost()}
}

// drop ends a batcher that has nothing under way, and reports whether it has.
func (b *batcher) drop() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropped = b.unused() && !b.looking
	return b.dropped
}

func (b *batcher) enterLocked(confirm *Confirm) (waits bool, err error) {
	confirm.batcher = b
	waits = b.busy()
	if waits {
		confirm.era = neverSent
	}
	if err := b.n.confirms.enter(confirm); err != nil {
		return false, err
	}
	if waits {
		b.wait(confirm)
		b.launch()
		return true, nil
	}
	b.alone(confirm)
	if b.open > confirm.enoughUnderWay() {
		// With less under way, the answers would come in bursts that say little.
		b.answers.sent(confirm, b.open)
	}
	if b.open == enough && !b.looked && !b.never {
		b.looked = true
		b.look(false)
	}
	return false, nil
}

// enoughUnderWay is how many messages must be under way to measure how fast they are
// answered.
func (c *Confirm) enoughUnderWay() int {
	window := enough
	if p, is := c.sink.(*Publisher); is {
		window = p.opts.Window
	}
	return min(window, telling) * 3 / 4
}

// A caution is how carefully messages go next, after some that no stream took: so is
// it with a stream that has lost its leader, until there is another.
type caution int

const (
	careless caution = iota
	oneByOne
	oneAlone // of each publisher, then oneByOne
)

// busy reports whether a message has to wait: for what is under way, or for those that
// are expected with it.
func (b *batcher) busy() bool {
	if !b.gathering && b.synced && b.cost.goesOn(b.open+1, 0) {
		b.begin()
	}
	return b.gathering && (!b.unused() || b.expected >= enough)
}

// wait makes a message wait for the next batch.
func (b *batcher) wait(confirm *Confirm) {
	b.waiting = append(b.waiting, confirm)
	if b.complete != nil && len(b.waiting) >= b.expected {
		close(b.complete)
		b.complete = nil
	}
}

// lingers is how long, at most, the next batch waits for as many messages as the last
// one had: a client that had them confirmed publishes as many again, one by one. A
// batch that has none to wait for has no channel.
func (b *batcher) lingers() (complete <-chan struct{}, most time.Duration) {
	most = min(b.cost.fixed.least()/4, longestLinger)
	if b.caution != careless || len(b.waiting) >= b.expected || most == 0 {
		return nil, 0
	}
	b.complete = make(chan struct{})
	return b.complete, most
}

// longestLinger bounds it, however slow batches are.
const longestLinger = 5 * time.Millisecond

// unused reports whether nothing is under way.
func (b *batcher) unused() bool { return b.open == 0 && !b.flying && len(b.waiting) == 0 }

// alone notes that a message is sent by itself.
func (b *batcher) alone(confirm *Confirm) {
	confirm.alone = true
	b.open++
}

// answered is told of a message that has its answer.
func (b *batcher) answered(confirm *Confirm) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if confirm.alone && b.measured(confirm) {
		b.look(true)
	}
	b.launch()
}

// measured notes the answer to a message that was sent by itself, and reports whether
// it would have paid to gather.
func (b *batcher) measured(confirm *Confirm) (pays bool) {
	b.open--
	n, bytes, took := b.answers.answered(confirm)
	if n == 0 {
		return false
	}
	b.cost.tookSingles(n, took)
	return !b.gathering && !b.never && b.cost.pays(b.open, b.open*bytes/n)
}

// begin begins to gather.
func (b *batcher) begin() {
	b.gathering, b.spent, b.idle = true, 0, 0
}

// insert makes a message, which no stream took, wait for its turn again.
func (b *batcher) insert(confirm *Confirm, pause time.Duration) {
	b.open--
	confirm.alone = false
	at, _ := slices.BinarySearchFunc(b.waiting, confirm, func(a, b *Confirm) int { return cmp.Compare(a.index, b.index) })
	b.waiting = slices.Insert(b.waiting, at, confirm)
	b.answers = meter{}
	b.beCareful(pause)
}

// beCareful lets one message of each publisher go alone first, so that those behind it
// do not go before it.
func (b *batcher) beCareful(pause time.Duration) {
	b.caution, b.pause = oneAlone, max(b.pause, pause)
	if !b.gathering {
		b.gathering, b.idle = true, maxIdle // no longer than need be
	}
}

// careful gives what goes next where caution is due.
func (b *batcher) careful() []*Confirm {
	switch b.caution {
	case oneAlone:
		b.caution = oneByOne
		return b.takeFirsts()
	case oneByOne:
		b.caution = careless
		return b.takeAll()
	}
	return nil
}

// takeFirsts takes the first message of each publisher. One whose publisher waits for
// its answer has no others behind it.
func (b *batcher) takeFirsts() (firsts []*Confirm) {
	seen := make(map[sink]bool)
	var rest []*Confirm
	for _, confirm := range b.waiting {
		if confirm.sink != nil && seen[confirm.sink] {
			rest = append(rest, confirm)
			continue
		}
		seen[confirm.sink] = true
		firsts = append(firsts, confirm)
	}
	b.waiting = rest
	return firsts
}

func (b *batcher) takeAll() []*Confirm {
	all := b.waiting
	b.waiting = nil
	return all
}

// ready reports whether what waits may go.
func (b *batcher) ready() bool {
	return len(b.waiting) > 0 && b.open == 0 && !b.flying
}

// probeShare is how much longer batches take than the singles that are measured
// between them, lest it be wrong to gather: where that is wrong, singles take little, and
// are soon measured.
const probeShare = 50

// batchNext decides about what goes next, of which that much could be a batch.
func (b *batcher) batchNext(n, bytes int) (batch, probe bool) {
	b.expected = 0
	if b.never || !b.cost.goesOn(n, bytes) {
		b.idle++
		return false, false
	}
	b.idle = 0
	if b.probeDue() {
		b.spent = 0
		return false, true
	}
	return true, false
}

// probeDue reports whether it is time to measure singles.
func (b *batcher) probeDue() bool { return b.spent >= probeShare*probeSize*b.cost.single.least() }

// tookBatch notes how long a batch took.
func (b *batcher) tookBatch(n, bytes int, took time.Duration) {
	b.cost.tookBatch(n, bytes, took)
	b.spent += took
	b.expected = n
}

// maxIdle is how often in a row no batch pays until messages go at once again.
const maxIdle = 8

// inVain reports whether there is nothing to gather for.
func (b *batcher) inVain() bool {
	return b.caution == careless && (b.never || b.idle >= maxIdle)
}

// A meter measures how fast answers come: from when a message is sent until it is
// answered, how many are. That takes in whole rounds, as the broker reads all that
// has come, and then answers all.
type meter struct {
	mark  *Confirm // the message; nil while nothing is measured
	began time.Time
	n     int
	bytes int
}

// sent is told of the last message that was sent, of so many that are open.
func (m *meter) sent(confirm *Confirm, open int) {
	if m.mark == nil && open >= enough {
		*m = meter{mark: confirm, began: time.Now()}
	}
}

// answered is told of an answer, and gives a reading now and then, else 0.
func (m *meter) answered(confirm *Confirm) (n, bytes int, took time.Duration) {
	if m.mark == nil {
		return 0, 0, 0
	}
	m.n++
	m.bytes += len(confirm.msg.Data)
	if confirm != m.mark {
		return 0, 0, 0
	}
	if m.n >= enough && confirm.err == nil {
		n, bytes, took = m.n, m.bytes, time.Since(m.began)
	}
	*m = meter{}
	return n, bytes, took
}
