package streams

import (
	"time"

	"warren/streams/internal/routing"
)

// A source is one durable pull consumer that a fetcher asks: the home of its queue, or a
// view. The dispatcher's lock guards it.
type source struct {
	queue    string
	exchange string // "" for the home
	base     string
	stream   string
	next     string // where requests go
	token    string // tells its requests apart in the inbox
	sieve    *sieve
	plain    bool // a home whose stream holds nothing but what is consumed

	asked   int       // messages asked for and not yet come
	asking  askings   // the requests for them
	pending uint64    // how many wait at the server, when it last said so
	large   bool      // the next message is larger than what a request may bring
	heard   bool      // something came, or was asked for, since it was looked at
	quiet   time.Time // since when nothing did, when it was looked at
	highest arrival   // of all that came as if for the first time

	settled string        // the reply of a message that was acknowledged
	ahead   int           // asked for beside acks, since the server was in step with them
	behind  int           // how many must come until it is again; 0 while it is not asked for
	began   time.Time     // when it was asked for
	step    time.Duration // how long it took last; 0 before the first time
	written map[requestKey]*request
}

// A source asks for more beside its acks, which the server then deals with side
// by side, for up to maxAhead messages, and only where the server was in step with
// the acks within promptly when it was last asked to be. A crash of the server may
// bring back so many more than the window holds, all of them acknowledged already;
// where acks wait for the disk, none.
const (
	maxAhead = 8
	promptly = 200 * time.Microsecond
)

// catchUp notes that requests go behind the acks from now on. Those before may be
// answered earlier; the first message after them shows that the server has dealt
// with the acks.
func (src *source) catchUp() {
	if src.behind == 0 {
		src.behind = src.asked + 1
		src.began = time.Now()
	}
}

// came notes a message that arrived. It gives when it was asked for, and reports whether
// it came before. A server that
// was killed has forgotten some that it had sent; they come in the order of their
// sequences, and of the times at which they were stored.
func (src *source) came(a arrival) (asked time.Time, before bool) {
	before = a.seq <= src.highest.seq && a.stamp <= src.highest.stamp
	if !before {
		src.highest = a
	}
	asked = src.asking.came()
	src.asked = max(src.asked-1, 0)
	src.pending = a.pending
	src.heard, src.large = true, false
	if src.behind == 0 {
		return asked, before
	}
	if src.behind--; src.behind == 0 {
		src.ahead, src.step = 0, time.Since(src.began)
	}
	return asked, before
}

// silent is how long nothing has come, or been asked for. It is looked at now
// and then: the time of every message would cost more than it tells.
func (src *source) silent(now time.Time) time.Duration {
	if src.heard || src.quiet.IsZero() {
		src.heard, src.quiet = false, now
	}
	return now.Sub(src.quiet)
}

// begin is the source for a fetcher of its own, which has asked for nothing.
func (src *source) begin(token string) *source {
	own := *src
	own.token = token
	own.written = make(map[requestKey]*request)
	return &own
}

// startOver forgets what was asked for: the server has forgotten it too.
func (src *source) startOver() {
	src.asked, src.ahead, src.behind, src.large = 0, 0, 0, false
	src.asking = src.asking[:0]
}

// sourcesOf are the home and the views of a queue.
func (qs *queues) sourcesOf(rec *queueRecord) []*source {
	home := newSource(rec.Name, "", qs.vhost.homeStream(rec.Name), qs.newHomeSieve(rec))
	home.plain = !rec.Schedules
	list := []*source{home}
	for _, o := range rec.origins() {
		list = append(list, newSource(rec.Name, o.exchange, qs.vhost.originStream(o), qs.newSieve(rec, o)))
	}
	return list
}

func newSource(queue, exchange, stream string, v *sieve) *source {
	return &source{
		queue: queue, exchange: exchange, stream: stream, sieve: v, base: v.base,
		next:    nextSubject(stream, routing.ConsumerName(queue)),
		written: make(map[requestKey]*request),
	}
}
