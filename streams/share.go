package streams

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// How consumers that share a window ask for messages. For all together there is
// never more asked for than there is room, so the window looks for the message that
// is to come next: it asks the lines for what is there, in the order of their turns,
// one after another where nothing is. Each time that room is given back it begins
// anew. Where nothing is anywhere, a request for one message waits in every line. When
// the room is used up, those that wait still are taken back, by leaving the inbox
// that their answers would go to: a message goes to who has room for it.

// A line is a source of one of the consumers that share a window. The window's lock
// guards it.
type line struct {
	c   *Consumer
	src *source

	group  *group
	rank   int
	picked uint64 // its last pick

	asked int       // how many were asked for that have not come
	stays bool      // that one waits until a message comes
	empty bool      // nothing was there since room was given back last
	away  bool      // nobody answers; its queue is looked at again
	since time.Time // when it was asked last

	heard bool      // something came, or was asked for, since it was looked at
	quiet time.Time // since when nothing did, when it was looked at
}

// atOnce ends a request when nothing more is there.
const atOnce = `,"no_wait":true}`

// open reports whether something may lie in a line.
func (l *line) open() bool { return !l.empty && !l.away && !l.stays }

// forget makes a line one that was not asked for anything.
func (l *line) forget() { l.asked, l.stays, l.empty, l.away = 0, false, false, false }

// ask asks for messages.
func (l *line) ask(n int, ends string) {
	size := strconv.Itoa(n)
	reply := l.c.inbox().subject + "." + l.src.token + "." + size
	if l.c.s.nc.PublishRequest(l.src.next, reply, []byte(`{"batch":`+size+ends)) != nil {
		return // closed; whoever waits for messages is told
	}
	l.asked += n
	l.stays = ends == lasting
	l.since = time.Now()
	l.heard = true
}

// fill asks for what there is room for.
func (w *Window) fill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.shared.Load() || w.changing || w.unplaced > 0 {
		return
	}
	free, _ := w.left()
	w.recall(free)
	if free == 0 {
		return
	}
	spare := min(free, largestRequest)
	waiting := false
	for _, l := range w.roster.lines {
		if !l.stays {
			spare -= l.asked
			waiting = waiting || l.asked > 0
		}
	}
	if !w.search(spare) && !waiting {
		w.wait()
	}
}

// search asks those whose turn it is for so many messages, or waits for the answer
// of one that was asked before. False says that nothing is anywhere.
func (w *Window) search(spare int) bool {
	var asked []*line
	counts := make(map[*line]int)
	rooms := w.rooms()
	open := func(l *line) bool { return l.open() && rooms[l.c] > 0 }
	for range spare {
		l := w.roster.pick(open)
		if l == nil {
			break
		}
		if l.asked > 0 {
			w.roster.uncount(l, 1)
			break
		}
		if counts[l] == 0 {
			asked = append(asked, l)
		}
		counts[l]++
		rooms[l.c]--
	}
	for _, l := range asked {
		l.ask(counts[l], atOnce)
	}
	return len(asked) > 0 || spare <= 0
}

// rooms is how many more messages each consumer may be asked for, by its own limit.
// Requests that wait do not count, as they do not for the window.
func (w *Window) rooms() map[*Consumer]int {
	rooms := make(map[*Consumer]int)
	for _, l := range w.roster.lines {
		if _, seen := rooms[l.c]; !seen {
			rooms[l.c], _ = l.c.own.room()
		}
		if !l.stays {
			rooms[l.c] -= l.asked
		}
	}
	return rooms
}

// isFull reports whether its consumer has no room of its own.
func (l *line) isFull() bool {
	free, _ := l.c.own.room()
	return free == 0
}

// wait keeps a request waiting in every line that has room.
func (w *Window) wait() {
	for _, l := range w.roster.lines {
		if l.empty && !l.stays && !l.away && !l.isFull() {
			l.ask(1, lasting)
		}
	}
}

// recall takes back the requests that wait for what there is no room for. What the
// server had sent meanwhile is handed back.
func (w *Window) recall(free int) {
	for _, l := range w.roster.lines {
		if l.stays && (free == 0 || l.isFull()) {
			l.c.leaveInbox()
			w.forget(l.c)
		}
	}
}

// forget forgets what a consumer asked for. The lock is held.
func (w *Window) forget(c *Consumer) {
	for _, l := range w.roster.lines {
		if l.c == c {
			l.forget()
		}
	}
}

// came notes a message that has come to a consumer, in answer to what it asks for
// still, and takes room for it if it is to be held. False says that there is none.
func (w *Window) came(src *source, answer, hold bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.line(src); l != nil && answer {
		if l.stays {
			w.roster.count(l)
		}
		l.asked, l.stays = max(l.asked-1, 0), false
		l.empty = src.pending == 0
		l.heard = true
	}
	return !hold || w.take()
}

// asked is since when a request waits for a message of a source; zero if none does.
func (w *Window) asked(src *source) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.line(src); l != nil && l.stays {
		return l.since
	}
	return time.Time{}
}

// answered notes what the server says of a request. It reports whether the queue is
// to be looked at, because nobody is there to ask.
func (w *Window) answered(src *source, status string) (lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.line(src)
	if l == nil {
		return false
	}
	l.heard = true
	if status == "100" {
		return false
	}
	if !l.stays {
		w.roster.uncount(l, l.asked)
	}
	l.forget()
	l.empty = status == "404" || status == "408"
	l.away = !l.empty
	return l.away
}

// missed gives up requests that were lost. It reports whether there were any.
func (w *Window) missed(c *Consumer, now time.Time) (lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.roster.lines {
		if l.c != c {
			continue
		}
		if l.heard || l.quiet.IsZero() {
			l.heard, l.quiet = false, now
		}
		if l.asked > 0 && now.Sub(l.quiet) > lostAfter {
			l.forget()
			l.away, lost = true, true
		}
	}
	return lost
}

// again has a consumer's lines asked again that were away, or all of them if the
// server has forgotten what they were asked for.
func (w *Window) again(c *Consumer, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.roster.lines {
		if l.c == c && (all || l.away) {
			l.forget()
		}
	}
}

// line is that of a source, while the window is shared.
func (w *Window) line(src *source) *line {
	if !w.shared.Load() {
		return nil
	}
	for _, l := range w.roster.lines {
		if l.src == src {
			return l
		}
	}
	return nil
}

// draw gives a consumer a line for each of its sources.
func (w *Window) draw(c *Consumer, sources []*source) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := make(map[*source]*line)
	for _, l := range w.roster.lines {
		if l.c == c {
			old[l.src] = l
		}
	}
	w.roster.drop(func(l *line) bool { return l.c == c })
	for _, src := range sources {
		l := old[src]
		if l == nil {
			l = &line{c: c, src: src}
		}
		w.roster.seat(l, c.opts.Turn)
	}
}

// hold has nothing asked for until requeued messages are placed; a negative number
// says that so many are.
func (w *Window) hold(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unplaced += n
}

// An inbox is where the answers to a consumer's requests come. When it is left, the
// server forgets the requests.
type inbox struct {
	subject string
	sub     *nats.Subscription
	gone    chan struct{} // closed when nothing comes any more
}

// inboxes are those that were left, and may still get something.
type inboxes struct {
	mu   sync.Mutex
	list []*inbox
}

func (b *inboxes) add(box *inbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = slices.DeleteFunc(b.list, func(box *inbox) bool { return isClosed(box.gone) })
	b.list = append(b.list, box)
}

func (b *inboxes) all() []*inbox {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list)
}

func (c *Consumer) inbox() *inbox { return c.box.Load() }

// openInbox makes an inbox the consumer's.
func (c *Consumer) openInbox() error {
	box := &inbox{subject: c.s.nc.NewInbox(), gone: make(chan struct{})}
	sub, err := c.s.nc.Subscribe(box.subject+".>", func(msg *nats.Msg) { c.received(box, msg) })
	if err != nil {
		return err
	}
	sub.SetClosedHandler(func(string) { close(box.gone) })
	// What comes is bounded by what was asked for.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	box.sub = sub
	c.box.Store(box)
	return nil
}

// leaveInbox takes back all that was asked for. Without a connection nothing is.
func (c *Consumer) leaveInbox() {
	old := c.inbox()
	if c.openInbox() != nil || old.sub.Drain() != nil {
		return
	}
	c.leaving.add(old)
}
