package streams

import (
	"strconv"
	"time"
)

// A request asks a source for messages, and is written once for each size.
type request struct {
	src   *source
	batch int
	reply string // where the answers go
	body  []byte // as JetStream reads it
	next  []byte // the same behind an ack
}

// How a request is made. The server repeats a heartbeat while a request waits,
// so that a lost request is noticed.
const (
	heartbeat = time.Second
	// lostAfter is how long a source may be silent with a request waiting.
	lostAfter = 2500 * time.Millisecond
	// largestRequest bounds what a consumer without a limit asks for at once.
	largestRequest = 2048
	// largestBytes bounds how many bytes a request for many messages brings: so much may
	// still come to a consumer that wants no more. A request that is used up to the last
	// byte ends without a word. As a prime, no number of messages of one size uses it up.
	largestBytes = 2_097_143
	// smallRequest is how many messages are asked for whatever they weigh.
	smallRequest = 64
)

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
		body := `{"batch":` + size + weight(batch) + ends
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

// weight bounds the bytes of a request.
func weight(batch int) string {
	if batch <= smallRequest {
		return ""
	}
	return `,"max_bytes":` + strconv.Itoa(largestBytes)
}

type requestKey struct {
	batch int
	ends  string
}

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
	src.heard = true
	inStep := src.step > 0 && src.step < promptly
	if src.exchange == "" && src.settled != "" && (src.behind > 0 || src.ahead > maxAhead || !inStep) {
		r.behind = src.settled
		src.catchUp()
	} else {
		src.ahead += batch
	}
	src.asked += batch
	src.asking.ask(batch)
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

// nextSubject is where a consumer of a stream is asked for messages.
func nextSubject(stream, consumer string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer
}
