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

// An inquiry is a request on its way. It may go behind the acks, as an ack of a
// message that is acknowledged already.
type inquiry struct {
	*request
	behind string // the reply of that message
}

// ask makes a request. It goes behind the acks of a home where more must not go
// beside them.
func (src *source) ask(inbox string, batch int, ends string) inquiry {
	r := inquiry{request: src.request(inbox, batch, ends)}
	src.heard = time.Now()
	inStep := src.step > 0 && src.step < promptly
	if src.exchange == "" && src.settled != "" && (src.behind > 0 || src.ahead > maxAhead || !inStep) {
		r.behind = src.settled
		src.catchUp()
	} else {
		src.ahead += batch
	}
	src.asked += batch
	return r
}

// with reports whether a request goes in one message with the ack of a delivery.
// On an exchange's stream, which has two subjects, it does where only one message
// is out: the server drops its cache of the stream, and reads it again, for each
// that is acknowledged after a later one was sent.
func (r inquiry) with(d *Delivery) bool {
	if r.src.exchange == "" {
		return r.behind == d.reply
	}
	return r.src.stream == d.stream && r.batch == 1 && r.src.asked == 1
}

// acked notes what requests can go behind.
func (src *source) acked(d *Delivery, v verdict) {
	if src != nil && v == verdictAck {
		src.settled = d.reply
	}
}

// catchUp notes that requests go behind the acks from now on. Those before may be
// answered earlier; the first message after them shows that the server has dealt
// with the acks.
func (src *source) catchUp() {
	if src.behind == 0 {
		src.behind = src.asked + 1
		src.began = src.heard
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
		src.ahead, src.step = 0, src.heard.Sub(src.began)
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
