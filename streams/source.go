package streams

import (
	"strconv"
	"time"
)

// A source is one durable pull consumer that a Consumer draws on: the home of
// its queue, or a view. The Consumer's lock guards it.
type source struct {
	queue    string
	exchange string // "" for the home
	base     string
	stream   string
	next     string // where requests go
	token    string // tells its requests apart in the inbox
	sieve    *sieve

	asked   int    // messages asked for and not yet come
	pending uint64 // how many wait at the server, when it last said so
	heard   time.Time

	ahead   int           // asked for beside acks, since the server was in step with them
	behind  int           // how many must come until it is again; 0 while it is not asked for
	asking  time.Time     // when it was asked for
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

// together reports whether a request goes in one message with an ack, so that the
// server has dealt with the ack before it sends more. On an exchange's stream,
// which has two subjects, it does where only one message is out: the server drops
// its cache of the stream, and reads it again, for each that is acknowledged after
// a later one was sent.
func (src *source) together(r *request) bool {
	if src.exchange == "" {
		return src.behind > 0 || src.ahead > maxAhead || src.step == 0 || src.step > promptly
	}
	return r.batch == 1 && src.asked == 1
}

// catchUp notes that a request for so many goes behind the acks. All requests
// before it may be answered earlier; the first message after those shows that the
// server has dealt with the acks, as requests that follow go behind them too.
func (src *source) catchUp(batch int) {
	src.ahead -= batch
	if src.behind == 0 {
		src.behind = src.asked - batch + 1
		src.asking = src.heard
	}
}

// came notes a message that arrived.
func (src *source) came(a arrival) {
	src.asked = max(src.asked-1, 0)
	src.pending = a.pending
	src.heard = time.Now()
	if src.behind == 0 {
		return
	}
	if src.behind--; src.behind == 0 {
		src.ahead, src.step = 0, src.heard.Sub(src.asking)
	}
}

// startOver forgets what was asked for: the server has forgotten it too.
func (src *source) startOver() { src.asked, src.ahead, src.behind = 0, 0, 0 }

// sourcesOf are the home and the views of a queue.
func (s *Session) sourcesOf(rec *queueRecord) []*source {
	list := []*source{newSource(rec.Name, "", s.vhost.homeStream(rec.Name), s.newHomeSieve(rec))}
	for _, exchange := range rec.exchanges() {
		list = append(list, newSource(rec.Name, exchange, s.vhost.exchangeStream(exchange), s.newSieve(rec, exchange)))
	}
	return list
}

func newSource(queue, exchange, stream string, v *sieve) *source {
	return &source{
		queue: queue, exchange: exchange, stream: stream, sieve: v, base: v.base,
		next:    "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumerName(queue),
		written: make(map[requestKey]*request),
	}
}

// How a request is made. The server repeats a heartbeat while a request waits,
// so that a lost request is noticed.
const (
	heartbeat = time.Second
	// lostAfter is how long a source may be silent with a request waiting.
	lostAfter = 2500 * time.Millisecond
	// largestRequest bounds what a consumer without a limit asks for at once.
	largestRequest = 512
)

// A request asks a source for messages, and is written once for each size.
type request struct {
	src   *source
	batch int
	reply string // where the answers go
	body  []byte // as JetStream reads it
	next  []byte // the same behind an ack
}

// How long a request waits: half a minute, with heartbeats, or half a second.
const (
	lasting = `,"expires":30000000000,"idle_heartbeat":1000000000}`
	brief   = `,"expires":500000000}`
)

// request writes a request. The batch stands in the reply too: JetStream does
// not always say how much of a request is left when it ends it.
func (src *source) request(inbox string, batch int, ends string) *request {
	key := requestKey{batch, ends}
	r := src.written[key]
	if r == nil {
		size := strconv.Itoa(batch)
		body := `{"batch":` + size + ends
		r = &request{
			src: src, batch: batch,
			reply: inbox + "." + src.token + "." + size,
			body:  []byte(body),
			next:  []byte("+NXT " + body),
		}
		src.written[key] = r
	}
	return r
}

type requestKey struct {
	batch int
	ends  string
}
