package streams

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// A fetcher asks the sources of a queue for messages: for all consumers of a dispatcher
// that share a window with consumers of other queues, or for all others. It asks for no
// more than these have room for together, so that prefetch bounds what is unsettled, and
// not, as in JetStream's own clients, what is buffered. The dispatcher's lock guards it.
type fetcher struct {
	d      *dispatcher
	window *Window // which chooses what is asked for; nil: the fetcher does
	box    atomic.Pointer[inbox]

	ring     []*Consumer // for whom it asks, as it is their turn, those of a higher rank first
	budgets  []budget
	sources  map[string]*source // by stream
	order    []*source
	tokens   int
	searched int // where asking busy sources began last

	free, limit int // what room said last, with what was given back since
}

// A budget is consumers that have one window.
type budget struct {
	window *Window // nil: nothing bounds what they hold
	list   []*Consumer
}

func newFetcher(d *dispatcher, w *Window) *fetcher {
	return &fetcher{d: d, window: w, sources: make(map[string]*source)}
}

// obey follows the sources of the queue.
func (f *fetcher) obey(sources []*source) {
	have := f.sources
	f.sources = make(map[string]*source, len(sources))
	f.order = f.order[:0:0]
	for _, template := range sources {
		src := have[template.stream]
		if src == nil {
			f.tokens++
			src = template.begin(strconv.Itoa(f.tokens))
		} else {
			template.sieve.follow(src.sieve)
			src.sieve = template.sieve
		}
		f.sources[src.stream] = src
		f.order = append(f.order, src)
	}
	if f.window != nil {
		f.window.draw(f)
	}
}

// arranged notes that the ring is another one: what is asked for is what there is room for.
func (f *fetcher) arranged() error {
	f.budgets = f.budgets[:0:0]
	for _, c := range f.ring {
		w := c.window
		if c.opts.AutoAck {
			w = nil
		}
		at := slices.IndexFunc(f.budgets, func(b budget) bool { return w != nil && b.window == w })
		if at < 0 {
			at = len(f.budgets)
			f.budgets = append(f.budgets, budget{window: w})
		}
		f.budgets[at].list = append(f.budgets[at].list, c)
	}
	slices.SortStableFunc(f.ring, func(a, b *Consumer) int { return b.opts.Turn.Rank - a.opts.Turn.Rank })
	if f.window != nil {
		f.window.draw(f)
	}
	if len(f.ring) == 0 {
		f.forget()
		return f.closeInbox()
	}
	if f.inbox() == nil {
		return f.openInbox(nil)
	}
	f.trim()
	return nil
}

// standing is the turn of the consumers in their window: the highest that one of them has.
func (f *fetcher) standing() Turn { return f.ring[0].opts.Turn }

// serveAll gives what is ready to consumers that share a window, as far as that lets it.
func (f *fetcher) serveAll() {
	for f.d.give(f.serve) {
	}
}

// serve gives one message that is ready.
func (f *fetcher) serve() (to *Consumer, push bool) {
	d := f.d
	d.mu.Lock()
	if d.ready.len() > 0 {
		to = f.next((*Consumer).enterOwn)
	}
	if f.window.serves(f, to != nil) {
		return to, d.hand(f, to, d.pop())
	}
	d.mu.Unlock()
	if to != nil {
		to.own.give(1)
	}
	return nil, false
}

// trim takes back requests if more is asked for than there is room for.
func (f *fetcher) trim() {
	if f.window != nil || len(f.ring) == 0 {
		return // the window does
	}
	asked := 0
	for _, src := range f.order {
		asked += src.asked
	}
	free, limit, _ := f.room()
	if len(f.order) > 1 && limit < unlimited {
		free = max(free, len(f.order)) // see planMany
	}
	if asked > free {
		f.forget()
		f.leaveInbox()
	}
}

// forget forgets what was asked for.
func (f *fetcher) forget() {
	for _, src := range f.order {
		src.startOver()
		clear(src.written)
	}
}

// replaceInbox has another goroutine receive what comes from now on.
func (f *fetcher) replaceInbox() {
	if box := f.inbox(); box != nil {
		box.lapsed.Store(true)
	}
	f.forget()
	f.window.again(f, true)
	f.leaveInbox()
}

// next is the next consumer in turn that takes it; nil if none does. Its next turn is after
// those of all others of its rank.
func (f *fetcher) next(takes func(*Consumer) bool) *Consumer {
	for at, c := range f.ring {
		if !takes(c) {
			continue
		}
		end := at + 1
		for end < len(f.ring) && f.ring[end].opts.Turn.Rank == c.opts.Turn.Rank {
			f.ring[end-1] = f.ring[end]
			end++
		}
		f.ring[end-1] = c
		return c
	}
	return nil
}

// seat has the fetcher ask for these consumers. Who is new has its turn after the others.
func (f *fetcher) seat(list []*Consumer) {
	stays := make(map[*Consumer]bool, len(list))
	for _, c := range list {
		stays[c] = true
	}
	ring := make([]*Consumer, 0, len(list))
	for _, c := range f.ring {
		if stays[c] {
			ring = append(ring, c)
			delete(stays, c)
		}
	}
	for _, c := range list {
		if stays[c] {
			ring = append(ring, c)
		}
	}
	f.ring = ring
}

// room is how many messages the consumers may still be sent together, how large their
// windows are, and whether one that has room has nothing left to handle.
func (f *fetcher) room() (free, limit int, hungry bool) {
	for i := range f.budgets {
		b := &f.budgets[i]
		some, most := 0, 0
		for _, c := range b.list {
			n, own := c.ownRoom()
			some, most = min(some+n, unlimited), min(most+own, unlimited)
			hungry = hungry || n > 0 && (c.opts.Push != nil || c.backlog.Load() == 0)
		}
		if b.window != nil {
			n, all := b.window.room()
			some, most = min(some, n), min(most, all)
		}
		free, limit = min(free+some, unlimited), min(limit+most, unlimited)
	}
	return free, limit, hungry
}

// plan decides what to ask for now, and appends it. The requests are sent without the
// dispatcher's lock, as a goroutine that waits for a lock costs more than all the rest.
func (f *fetcher) plan(plans []inquiry) []inquiry {
	if f.window != nil || len(f.ring) == 0 {
		return plans
	}
	free, limit, hungry := f.room()
	f.free, f.limit = free, limit
	free -= f.d.ready.len()
	if free <= 0 {
		return plans
	}
	if len(f.order) > 1 && limit < unlimited {
		return f.planMany(plans, free, limit, hungry)
	}
	for _, src := range f.order {
		plans = f.planOne(plans, src, free, limit, hungry)
	}
	return plans
}

// planAgain is plan for when so many places were given back, and nothing else has changed.
// Where enough is asked for already it need not look at every window.
func (f *fetcher) planAgain(plans []inquiry, places int) []inquiry {
	if f.free += places; len(f.order) == 1 {
		src := f.order[0]
		if src.asked > 0 && (f.free-src.asked)*2 < min(f.limit, largestRequest) {
			return plans
		}
	}
	return f.plan(plans)
}

// planOne keeps one request waiting at a source, for all there is room for: a
// process with two of them would have two turns for each turn of another. While
// messages are known to lie there it asks for those, too, in requests that do
// not last. Half of the window must be free, unless handlers run short of
// messages.
func (f *fetcher) planOne(plans []inquiry, src *source, free, limit int, hungry bool) []inquiry {
	free, limit = min(free, largestRequest), min(limit, largestRequest)
	switch {
	case src.large && src.asked > 0:
		return plans
	case src.large:
		return f.ask(plans, src, 1, lasting)
	case src.asked > 0:
		known := min(free, int(min(src.pending, largestRequest))) - src.asked
		if known > 0 && known*2 >= limit {
			return f.ask(plans, src, known, brief)
		}
		return plans
	}
	if free*2 < limit && !hungry {
		return plans
	}
	return f.ask(plans, src, free, lasting)
}

// planMany keeps a request for one message waiting at every source, and asks a
// busy one for what is known to lie there, as far as the window allows, in few
// requests that do not last: what other consumers took away meanwhile must not
// keep this one's room. A message that comes over the window waits.
func (f *fetcher) planMany(plans []inquiry, free, limit int, hungry bool) []inquiry {
	asked := 0
	for _, src := range f.order {
		if src.asked == 0 {
			plans = f.ask(plans, src, 1, lasting)
		}
		asked += src.asked
	}
	room := min(free, largestRequest) - asked
	if room*2 < min(limit, largestRequest) && !hungry {
		return plans
	}
	// The turn goes round, so that one busy source does not starve another.
	for i := range f.order {
		src := f.order[(f.searched+i)%len(f.order)]
		more := min(room, int(min(src.pending, largestRequest))-src.asked)
		if more > 0 && !src.large {
			plans = f.ask(plans, src, more, brief)
			room -= more
		}
	}
	f.searched++
	return plans
}

func (f *fetcher) ask(plans []inquiry, src *source, batch int, ends string) []inquiry {
	box := f.inbox()
	if box == nil {
		return plans // it could not be opened; the connection has closed
	}
	return append(plans, src.ask(box.subject, batch, ends))
}

// fewPlans is how many requests are planned at once without allocating.
const fewPlans = 4

// received is called with every message of an inbox, one at a time. What comes to
// one that was left is an answer to nothing that is asked for still.
func (f *fetcher) received(box *inbox, msg *nats.Msg) {
	if box.lapsed.Load() {
		return
	}
	if a, ok := parseArrival(msg.Reply); ok {
		f.arrived(box, msg, a)
		return
	}
	f.notice(box, msg)
}

// arrived gives a message to the consumer whose turn it is, or has it wait at its place.
func (f *fetcher) arrived(box *inbox, msg *nats.Msg, a arrival) {
	f.d.giving.Lock()
	c := f.accept(box, msg, a)
	f.d.giving.Unlock()
	if c != nil {
		c.push()
	}
}

// accept is arrived, and gives the consumer whose Push is to be called.
func (f *fetcher) accept(box *inbox, msg *nats.Msg, a arrival) *Consumer {
	d := f.d
	d.mu.Lock()
	src := f.sources[a.stream]
	if src == nil {
		d.mu.Unlock()
		_ = d.host.settle(msg.Reply, verdictRequeue)
		return nil
	}
	m := fetched{msg: msg, arrival: a, round: d.round}
	answer := f.inbox() == box
	if answer {
		m.asked, m.before = src.came(a)
		if f.window != nil {
			m.asked = f.window.asked(f, src)
		}
	}
	d.miscounted.correct(&m)
	if !src.sieve.wants(msg, m.arrival) {
		f.window.came(f, src, answer, false)
		d.mu.Unlock()
		d.drop(m, false)
		d.refill()
		return nil
	}
	c := f.choose(src, answer)
	if c == nil {
		f.keep(m)
		return nil
	}
	if d.ready.len() > 0 {
		d.ready.add(m)
		m = d.pop()
	}
	if d.hand(f, c, m) {
		return c
	}
	return nil
}

// keep has a message wait for which nobody has room: it goes back to the broker, unless the
// flow is stopped for a while. It is called with the lock held and gives it back released.
func (f *fetcher) keep(m fetched) {
	d := f.d
	if !f.isStopped() && d.ready.len() == 0 {
		d.mu.Unlock()
		d.handBack([]fetched{m})
		return
	}
	d.ready.add(m)
	d.waiting.Store(int64(d.ready.len()))
	d.mu.Unlock()
	d.wake()
}

// isStopped reports whether somebody has stopped the flow of messages.
func (f *fetcher) isStopped() bool {
	return slices.ContainsFunc(f.ring, func(c *Consumer) bool { return c.window.isStopped() })
}

// choose takes room for a message that has come, for the consumer whose turn it is; nil
// says that nobody has room.
func (f *fetcher) choose(src *source, answer bool) *Consumer {
	if f.window == nil {
		return f.next((*Consumer).enter)
	}
	c := f.next((*Consumer).enterOwn)
	if !f.window.came(f, src, answer, c != nil) && c != nil {
		c.own.give(1)
		return nil
	}
	return c
}

// fullRequest is what the server says of a request that ends before its last message, as
// that would be more than the bytes that it asks for.
const fullRequest = "Message Size Exceeds MaxBytes"

// notice reads what the server says of a request: that it still waits, or why
// it has ended.
func (f *fetcher) notice(box *inbox, msg *nats.Msg) {
	src, batch := f.requestOf(box, msg.Subject)
	if src == nil {
		return
	}
	status := msg.Header.Get("Status")
	if f.window != nil {
		f.noticeShared(src, status)
		return
	}
	left := batch
	if n, err := strconv.Atoi(msg.Header.Get("Nats-Pending-Messages")); err == nil {
		left = n
	}
	full := status == "409" && msg.Header.Get("Description") == fullRequest
	f.d.mu.Lock()
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
	f.d.mu.Unlock()
	switch {
	case status == "100":
	case status == "404", status == "408", full:
		f.d.refill()
	default:
		// The consumer or its leader has gone: see what stands, then go on.
		f.d.host.lookAgain()
	}
}

func (f *fetcher) noticeShared(src *source, status string) {
	if f.window.answered(f, src, status) {
		f.d.host.lookAgain()
	}
	if status != "100" {
		f.window.fill()
	}
}

// requestOf finds the source and the size of the request an answer is to, unless
// its inbox was left.
func (f *fetcher) requestOf(box *inbox, subject string) (*source, int) {
	rest, ok := strings.CutPrefix(subject, box.subject+".")
	if !ok || f.inbox() != box {
		return nil, 0
	}
	token, size, _ := strings.Cut(rest, ".")
	batch, _ := strconv.Atoi(size)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	for _, src := range f.order {
		if src.token == token {
			return src, batch
		}
	}
	return nil, 0
}

// startOver forgets what was asked for: the server has forgotten it too.
func (f *fetcher) startOver() {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	for _, src := range f.order {
		src.startOver()
	}
	f.window.again(f, true)
}

// missed gives up requests that were lost. It reports whether the queue is to be looked at.
func (f *fetcher) missed(now time.Time) (lost bool) {
	if f.window != nil {
		return f.window.missed(f, now)
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	for _, src := range f.order {
		if src.asked > 0 && src.silent(now) > lostAfter {
			src.startOver()
		}
	}
	return false
}
