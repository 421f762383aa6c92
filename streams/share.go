package streams

import (
	"strconv"
	"time"
)

// How consumers of several queues that share a window ask for messages. For all together
// there is never more asked for than there is room, so the window looks for the message
// that is to come next: it asks the lines for what is there, in the order of their turns,
// one after another where nothing is. Each time that room is given back it begins
// anew. Where nothing is anywhere, a request for one message waits in every line. When
// the room is used up, those that wait still are taken back, by leaving the inbox
// that their answers would go to: a message goes to who has room for it.

// A line is a source of a fetcher, or what is ready in its dispatcher, which comes first.
// The window's lock guards it.
type line struct {
	f     *fetcher
	src   *source // nil: what is ready
	ready *line   // what is ready there

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
func (l *line) open() bool {
	some := l.ready != nil && l.f.d.waiting.Load() > int64(l.ready.asked)
	if l.src == nil {
		return some
	}
	return !some && !l.empty && !l.away && !l.stays
}

// forget makes a line one that was not asked for anything.
func (l *line) forget() { l.asked, l.stays, l.empty, l.away = 0, false, false, false }

// ask asks for messages.
func (l *line) ask(n int, ends string) {
	size := strconv.Itoa(n)
	box := l.f.inbox()
	if box == nil {
		return
	}
	reply := box.subject + "." + l.src.token + "." + size
	if l.f.d.host.request(l.src.next, reply, []byte(`{"batch":`+size+ends)) != nil {
		return // closed; whoever waits for messages is told
	}
	l.asked += n
	l.stays = ends == lasting
	l.since = time.Now()
	l.heard = true
}

// fill asks for what there is room for.
func (w *Window) fill() {
	if w == nil || !w.shared.Load() {
		return
	}
	w.mu.Lock()
	serve := w.ask()
	w.mu.Unlock()
	for _, l := range serve {
		l.f.d.host.run(l.f.serveAll)
	}
}

// ask is fill, and gives the lines of what is ready and may be given. The lock is held.
func (w *Window) ask() (serve []*line) {
	if w.changing {
		return nil
	}
	free, _ := w.left()
	w.recall(free)
	if free == 0 {
		return nil
	}
	spare := min(free, largestRequest)
	waiting := false
	for _, l := range w.roster.lines {
		if !l.stays {
			spare -= l.asked
			waiting = waiting || l.asked > 0
		}
	}
	if waiting && w.roster.even() {
		return nil // many at once rather than one for each that is settled
	}
	serve, found := w.search(spare)
	if !found && !waiting {
		w.wait()
	}
	return serve
}

// search asks those whose turn it is for so many messages, or waits for the answer
// of one that was asked before. False says that nothing is anywhere. It gives the lines of
// what is ready.
func (w *Window) search(spare int) (serve []*line, found bool) {
	var asked []*line
	counts := make(map[*line]int)
	rooms := w.rooms()
	open := func(l *line) bool { return rooms[l.f] > 0 && l.open() }
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
		rooms[l.f]--
	}
	for _, l := range asked {
		if l.src != nil {
			l.ask(counts[l], atOnce)
			continue
		}
		l.asked += counts[l]
		serve = append(serve, l)
	}
	return serve, len(asked) > 0 || spare <= 0
}

// rooms is how many more messages may be asked for in each queue, by the limits of the
// consumers there. Requests that wait do not count, as they do not for the window.
func (w *Window) rooms() map[*fetcher]int {
	rooms := make(map[*fetcher]int)
	for _, l := range w.roster.lines {
		if _, seen := rooms[l.f]; !seen {
			rooms[l.f] = w.roomIn(l.f)
		}
		if !l.stays {
			rooms[l.f] -= l.asked
		}
	}
	return rooms
}

// roomIn is how many more messages the consumers of a queue may hold by their own limits.
func (w *Window) roomIn(f *fetcher) (n int) {
	for _, c := range w.members {
		if c.d == f.d && !c.opts.AutoAck {
			free, _ := c.ownRoom()
			n = min(n+free, unlimited)
		}
	}
	return n
}

// wait keeps a request waiting in every line that has room.
func (w *Window) wait() {
	for _, l := range w.roster.lines {
		if l.src != nil && l.empty && !l.stays && !l.away && w.roomIn(l.f) > 0 {
			l.ask(1, lasting)
		}
	}
}

// recall takes back the requests that wait for what there is no room for. What the
// server had sent meanwhile is handed back.
func (w *Window) recall(free int) {
	for _, l := range w.roster.lines {
		if l.stays && (free == 0 || w.roomIn(l.f) == 0) {
			l.f.leaveInbox()
			w.forget(l.f)
		}
	}
}

// forget forgets what a fetcher asked for. The lock is held.
func (w *Window) forget(f *fetcher) {
	for _, l := range w.roster.lines {
		if l.f == f && l.src != nil {
			l.forget()
		}
	}
}

// serves takes room for a message that is ready and may be given, if it is to be held.
// False says that none may be given any more.
func (w *Window) serves(f *fetcher, hold bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.line(f, nil)
	if l == nil || l.asked == 0 {
		return false
	}
	if !hold || !w.take() {
		w.roster.uncount(l, l.asked)
		l.asked = 0
		return false
	}
	l.asked--
	return true
}

// came notes a message that has come to a fetcher, in answer to what it asks for
// still, and takes room for it if it is to be held. False says that there is none.
func (w *Window) came(f *fetcher, src *source, answer, hold bool) bool {
	if w == nil {
		return hold
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.line(f, src); l != nil && answer {
		if l.stays {
			w.roster.count(l)
		}
		l.asked, l.stays = max(l.asked-1, 0), false
		l.empty = src.pending == 0
		l.heard = true
	}
	return hold && w.take()
}

// asked is since when a request waits for a message of a source; zero if none does.
func (w *Window) asked(f *fetcher, src *source) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.line(f, src); l != nil && l.stays {
		return l.since
	}
	return time.Time{}
}

// answered notes what the server says of a request. It reports whether the queue is
// to be looked at, because nobody is there to ask.
func (w *Window) answered(f *fetcher, src *source, status string) (lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.line(f, src)
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
func (w *Window) missed(f *fetcher, now time.Time) (lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.roster.lines {
		if l.f != f || l.src == nil {
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

// again has a fetcher's lines asked again that were away, or all of them if the
// server has forgotten what they were asked for.
func (w *Window) again(f *fetcher, all bool) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.roster.lines {
		if l.f == f && l.src != nil && (all || l.away) {
			l.forget()
		}
	}
}

// line is that of a source, or of what is ready, while the window is shared.
func (w *Window) line(f *fetcher, src *source) *line {
	if !w.shared.Load() {
		return nil
	}
	for _, l := range w.roster.lines {
		if l.f == f && l.src == src {
			return l
		}
	}
	return nil
}

// draw gives a fetcher a line for each of its sources, and one for what is ready; or none
// if it asks for nobody.
func (w *Window) draw(f *fetcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := make(map[*source]*line)
	for _, l := range w.roster.lines {
		if l.f == f {
			old[l.src] = l
		}
	}
	w.roster.drop(func(l *line) bool { return l.f == f })
	if len(f.ring) == 0 {
		return
	}
	ready := old[nil]
	if ready == nil {
		ready = &line{f: f}
		ready.ready = ready
	}
	w.roster.seat(ready, f.standing())
	for _, src := range f.order {
		l := old[src]
		if l == nil {
			l = &line{f: f, src: src, ready: ready}
		}
		w.roster.seat(l, f.standing())
	}
}
