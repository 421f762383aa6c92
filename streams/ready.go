package streams

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// A fetched message is one that the broker has sent to a dispatcher.
type fetched struct {
	msg *nats.Msg
	arrival
	asked time.Time // when it was asked for; zero if it did not come for that
	round uint32    // when it was sent, or its lease renewed
}

// fetchedAgain is the message of a delivery, as it goes back into its queue. Only one that
// was shown to somebody is marked as redelivered when it goes out again.
func fetchedAgain(d *Delivery, shown bool) fetched {
	a, _ := parseArrival(d.msg.Reply)
	a.delivered = uint64(d.DeliveryCount) + 1
	a.before = d.Redelivered
	if shown {
		a.delivered++
	}
	return fetched{msg: d.msg, arrival: a}
}

// returns reports whether the message was requeued here more than once.
func (m *fetched) returns() bool {
	a, _ := parseArrival(m.msg.Reply)
	return m.delivered > a.delivered+1
}

// compare puts messages into the order of their queue.
func (m *fetched) compare(other *fetched) int {
	return cmp.Or(cmp.Compare(m.stamp, other.stamp), strings.Compare(m.stream, other.stream), cmp.Compare(m.seq, other.seq))
}

// A readyList has the messages that a dispatcher holds for nobody, in the order of the
// queue.
type readyList struct {
	list []fetched
	head int // what was taken from the front
}

func (r *readyList) len() int { return len(r.list) - r.head }

// add puts a message in at its place. One that is there already was sent again by the
// broker, which knows only the later of the two.
func (r *readyList) add(m fetched) {
	if r.head >= 64 && r.head*2 >= len(r.list) {
		r.list = slices.Delete(r.list, 0, r.head)
		r.head = 0
	}
	at, there := slices.BinarySearchFunc(r.list[r.head:], m, func(have, m fetched) int { return have.compare(&m) })
	at += r.head
	switch {
	case there:
		r.list[at] = m
	case at == r.head && r.head > 0:
		r.head--
		r.list[r.head] = m
	default:
		r.list = slices.Insert(r.list, at, m)
	}
}

// addAll is add for many, which are moved once.
func (r *readyList) addAll(list []fetched) {
	if len(list) <= 8 {
		for _, m := range list {
			r.add(m)
		}
		return
	}
	all := append(slices.Clone(list), r.list[r.head:]...) // of two that are one the first stays
	slices.SortStableFunc(all, func(a, b fetched) int { return a.compare(&b) })
	r.list, r.head = slices.CompactFunc(all, func(a, b fetched) bool { return a.compare(&b) == 0 }), 0
}

// front is the first message. There must be one.
func (r *readyList) front() *fetched { return &r.list[r.head] }

// pop takes the first message. There must be one.
func (r *readyList) pop() fetched {
	m := r.list[r.head]
	r.list[r.head] = fetched{}
	r.head++
	if r.head == len(r.list) {
		r.list, r.head = r.list[:0], 0
	}
	return m
}

// drain takes all.
func (r *readyList) drain() []fetched {
	list := r.list[r.head:]
	*r = readyList{}
	return list
}

// takeOut takes some out.
func (r *readyList) takeOut(is func(*fetched) bool) (out []fetched) {
	var rest []fetched
	for _, m := range r.drain() {
		if is(&m) {
			out = append(out, m)
		} else {
			rest = append(rest, m)
		}
	}
	r.list = rest
	return out
}

// countAt adds up how many there are of each stream.
func (r *readyList) countAt(streams map[string]int) {
	for i := r.head; i < len(r.list); i++ {
		streams[r.list[i].stream]++
	}
}

// due lists the replies of those that have waited for longer than this round.
func (r *readyList) due(round uint32) (replies []string) {
	for i := r.head; i < len(r.list); i++ {
		m := &r.list[i]
		if m.round != round {
			m.round = round
			replies = append(replies, m.msg.Reply)
		}
	}
	return replies
}

// miscounts are how often the broker counts too many deliveries, or too few, of messages
// that went back to it: what nobody was shown counts there, and what was requeued here does
// not.
type miscounts map[storedAs]int

// storedAs names a message.
type storedAs struct {
	stream string
	seq    uint64
}

// maxMiscounts bounds what is remembered: another process may have got the messages.
const maxMiscounts = 4096

// note remembers a message that goes back.
func (c *miscounts) note(m *fetched) {
	sent, _ := parseArrival(m.msg.Reply)
	wrong := int(sent.delivered) + 1 - int(m.delivered)
	if wrong == 0 {
		return
	}
	if *c == nil || len(*c) >= maxMiscounts {
		*c = make(miscounts)
	}
	(*c)[storedAs{m.stream, m.seq}] = wrong
}

// correct corrects the count of a message that has come again.
func (c *miscounts) correct(m *fetched) {
	if len(*c) == 0 {
		return
	}
	key := storedAs{m.stream, m.seq}
	if wrong, there := (*c)[key]; there {
		delete(*c, key)
		m.delivered = uint64(max(int(m.delivered)-wrong, 1))
		m.before = false
	}
}
