package streams

import (
	"cmp"
	"slices"
	"time"
)

// A lane is what a publisher has on its way to one stream. As a rule each message
// goes at once. Where the stream is so slow that a batch pays, the lane gathers:
// one flight of messages is under way, and those that come meanwhile wait, and are
// the next. That is no delay: they would wait at the broker. And it keeps their
// order whatever becomes of the flight, as a batch that is refused is published
// again one by one. The publisher's lock guards it.
type lane struct {
	stream    string
	pace      pace
	gathering bool
	never     bool // the stream takes no batches, or is in memory, where nothing is synced
	looking   bool // somebody looks at whether it is
	waiting   []*Confirm
	open      int  // how many were sent one by one and have no answer
	flying    bool // a flight is being written, or is a batch without an answer

	caution caution       // of the next flight
	pause   time.Duration // before it

	answers  meter
	spent    time.Duration // on batches, since singles were measured
	idle     int           // flights in a row for which no batch paid
	expected int           // as many as the last batch had may come again at once
	complete chan struct{} // closed when as many wait; nil while nobody asks
}

func newLane(stream string, never bool) *lane {
	return &lane{stream: stream, never: never, pace: newPace()}
}

// A caution is how careful a flight is, after messages that no stream took: so is
// it with one that has lost its leader, until there is another.
type caution int

const (
	careless caution = iota
	oneByOne
	oneAlone // then oneByOne
)

// busy reports whether a message has to wait: for what is under way, or for those that
// are expected with it.
func (l *lane) busy() bool {
	return l.gathering && (!l.unused() || l.expected >= enough)
}

// wait makes a message wait for the next flight.
func (l *lane) wait(confirm *Confirm) {
	l.waiting = append(l.waiting, confirm)
	if l.complete != nil && len(l.waiting) >= l.expected {
		close(l.complete)
		l.complete = nil
	}
}

// lingers is how long, at most, the next flight waits for as many messages as the last
// batch had: a client that had them confirmed publishes as many again, one by one. A
// flight that has none to wait for has no channel.
func (l *lane) lingers() (complete <-chan struct{}, most time.Duration) {
	most = min(l.pace.fixed.least()/4, longestLinger)
	if l.caution != careless || len(l.waiting) >= l.expected || most == 0 {
		return nil, 0
	}
	l.complete = make(chan struct{})
	return l.complete, most
}

// longestLinger bounds it, however slow batches are.
const longestLinger = 5 * time.Millisecond

// unused reports whether nothing is under way.
func (l *lane) unused() bool { return l.open == 0 && !l.flying && len(l.waiting) == 0 }

// alone notes that a message is sent by itself.
func (l *lane) alone(confirm *Confirm) {
	confirm.alone = true
	l.open++
}

// answered notes the answer to a message, and reports whether it would have paid to
// gather.
func (l *lane) answered(confirm *Confirm) (pays bool) {
	if !confirm.alone {
		return false
	}
	l.open--
	n, bytes, took := l.answers.answered(confirm)
	if n == 0 {
		return false
	}
	l.pace.tookSingles(n, took)
	return !l.gathering && !l.never && l.pace.pays(l.open, l.open*bytes/n)
}

// begin begins to gather.
func (l *lane) begin() {
	l.gathering, l.spent, l.idle = true, 0, 0
}

// takeBack makes a message, which no stream took, wait for its turn again.
func (l *lane) takeBack(confirm *Confirm, pause time.Duration) {
	l.open--
	confirm.alone = false
	at, _ := slices.BinarySearchFunc(l.waiting, confirm, func(a, b *Confirm) int { return cmp.Compare(a.index, b.index) })
	l.waiting = slices.Insert(l.waiting, at, confirm)
	l.answers = meter{}
	l.beCareful(pause)
}

// beCareful lets one message go alone first, so that those behind it do not go
// before it.
func (l *lane) beCareful(pause time.Duration) {
	l.caution, l.pause = oneAlone, max(l.pause, pause)
	if !l.gathering {
		l.gathering, l.idle = true, maxIdle // no longer than need be
	}
}

// careful gives the next flight where caution is due.
func (l *lane) careful() []*Confirm {
	switch l.caution {
	case oneAlone:
		l.caution = oneByOne
		return l.take(min(1, len(l.waiting)))
	case oneByOne:
		l.caution = careless
		return l.take(len(l.waiting))
	}
	return nil
}

// ready reports whether the next flight may go.
func (l *lane) ready() bool {
	return len(l.waiting) > 0 && l.open == 0 && !l.flying
}

// probeShare is how much longer batches take than the singles that are measured
// between them, lest it be wrong to gather: where that is wrong, singles take little, and
// are soon measured.
const probeShare = 20

// batchNext decides about the next flight, of which that much could be a batch.
func (l *lane) batchNext(n, bytes int) (batch, probe bool) {
	l.expected = 0
	if l.never || !l.pace.goesOn(n, bytes) {
		l.idle++
		return false, false
	}
	l.idle = 0
	if l.spent >= probeShare*probeSize*l.pace.single.least() {
		l.spent = 0
		return false, true
	}
	return true, false
}

// tookBatch notes how long a batch took.
func (l *lane) tookBatch(n, bytes int, took time.Duration) {
	l.pace.tookBatch(n, bytes, took)
	l.spent += took
	l.expected = n
}

// maxIdle is after how many flights in a row, for which no batch paid, messages
// go at once again.
const maxIdle = 8

// inVain reports whether there is nothing to gather for.
func (l *lane) inVain() bool {
	return l.caution == careless && (l.never || l.idle >= maxIdle)
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
