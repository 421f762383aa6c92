package streams

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/amqp"
	"warren/streams/internal/routing"
)

// A Delivery is a message in the hands of a consumer. It is settled once, by
// Ack, Nack or Reject, from any goroutine, also after its consumer was
// cancelled; until then, or until its session ends, no other consumer gets it.
// Deliveries of a consumer with AutoAck are settled when they arrive.
type Delivery struct {
	Message
	// Exchange and Key are what the message was published to and with.
	Exchange, Key string
	// ConsumerTag names the consumer; empty for Get.
	ConsumerTag string
	// Tag counts the deliveries of the consumer from 1.
	Tag uint64
	// Redelivered says that the message may have been handed to a consumer before:
	// it was, or it has waited through a restart of the broker.
	Redelivered bool
	// DeliveryCount is how often it was, as far as the broker knows, 0 at first.
	DeliveryCount int
	// MessageCount is how many messages were ready behind one taken with Get. The
	// broker's answer tells it; it is read with further requests after messages were handed
	// back, where messages end, where bindings are narrower than subjects, and where both
	// an exchange and publishers by name fill the queue. It is too large where more than 64
	// wait and subjects cannot say which of them are the queue's, and by what has ended
	// since, behind a message that does not end.
	MessageCount int

	ledger  *ledger
	msg     *nats.Msg // as it came
	stream  string
	reply   string
	seq     uint64
	stamp   time.Time
	round   uint32 // when the lease was last renewed
	settled bool
	vacated bool
	void    bool // its queue went before it was settled
}

// StoredAs names the message at the broker: it is the same whenever the message is
// delivered, and of no other message, however equal.
func (d *Delivery) StoredAs() string {
	return fmt.Sprintf("%s/%d/%d", d.stream, d.seq, d.stamp.UnixNano())
}

// Stored is when the broker stored the message, by its clock.
func (d *Delivery) Stored() time.Time { return d.stamp }

// SettleFlag says how a delivery is settled.
type SettleFlag uint8

// AckFlag says how a delivery is acknowledged.
type AckFlag uint8

// Multiple settles every unsettled delivery of the consumer up to this one. It is
// for Ack and Nack.
const Multiple AckFlag = 1

// RejectFlag says what becomes of a delivery that is rejected.
type RejectFlag uint8

// Requeue puts the message back at the front of its queue. It is for Nack and
// Reject.
const Requeue RejectFlag = 1

// NackFlag is [Multiple] or [Requeue]: Nack takes both.
type NackFlag interface{ nack() }

func (AckFlag) nack()    {}
func (RejectFlag) nack() {}

// Ack says that the message is done with. [Multiple] says so of all up to it.
// Settling twice is 406; so is settling what the session has handed back.
func (d *Delivery) Ack(flags ...AckFlag) error {
	all, err := joinFlags(flags, Multiple)
	if err != nil {
		return err
	}
	return d.settle(verdictAck, all)
}

// Nack says that the message was not done with: it is dropped, or, with
// [Requeue], given to a consumer again before those that wait. [Multiple] says
// so of all up to it; they keep their order. Settling twice is 406.
func (d *Delivery) Nack(flags ...NackFlag) error {
	var multiple AckFlag
	var requeue RejectFlag
	for _, flag := range flags {
		switch flag := flag.(type) {
		case AckFlag:
			multiple |= flag
		case RejectFlag:
			requeue |= flag
		}
	}
	if _, err := joinFlags([]AckFlag{multiple}, Multiple); err != nil {
		return err
	}
	return d.drop(multiple, requeue)
}

// Reject is Nack for one message.
func (d *Delivery) Reject(flags ...RejectFlag) error {
	return d.drop(0, flags...)
}

// drop drops or requeues.
func (d *Delivery) drop(multiple AckFlag, flags ...RejectFlag) error {
	all, err := joinFlags(flags, Requeue)
	switch {
	case err != nil:
		return err
	case all == Requeue:
		return d.settle(verdictRequeue, multiple)
	}
	return d.settle(verdictDrop, multiple)
}

// Lapse lets go of the message and says nothing: the session renews its lease no
// longer. If another consumer got it meanwhile, because a lease was over before,
// it stays with that one; otherwise it comes again when the lease is over.
func (d *Delivery) Lapse() error {
	return d.settle(verdictLapse, 0)
}

// Vacate gives the delivery's place in its window to the next message. The delivery
// is held as before, and is still to be settled: it is for a consumer that has done
// the work, and has only to note what it came to, so that the next message comes
// meanwhile. Whoever vacates more than it settles holds more than its prefetch.
// Vacating twice is vacating once, and of what is settled, or has no window, nothing.
func (d *Delivery) Vacate() {
	if d.ledger != nil {
		d.ledger.vacate(d)
	}
}

// A verdict is what is said of a message, as JetStream writes it.
type verdict string

const (
	verdictLapse   verdict = "" // which is not said
	verdictAck     verdict = "+ACK"
	verdictDrop    verdict = "+TERM"
	verdictRequeue verdict = "-NAK"
	leaseRenewal   verdict = "+WPI"
)

// Bytes of the verdicts, made once.
var verdictBytes = map[verdict][]byte{
	verdictAck:     []byte(verdictAck),
	verdictDrop:    []byte(verdictDrop),
	verdictRequeue: []byte(verdictRequeue),
	leaseRenewal:   []byte(leaseRenewal),
}

func (d *Delivery) settle(v verdict, multiple AckFlag) error {
	if d.ledger == nil {
		return errUnknownTag(d.Tag)
	}
	if multiple == Multiple {
		return d.ledger.settleUpTo(d, v)
	}
	return d.ledger.settle(d, v)
}

func errUnknownTag(tag uint64) error {
	return errPrecondition("unknown delivery tag %d: the message is settled already", tag)
}

// arrival is what JetStream says of a message it delivers.
type arrival struct {
	stream    string
	delivered uint64
	seq       uint64
	order     uint64 // in its consumer
	stamp     int64
	pending   uint64
	before    bool // it came before, although the server does not know
}

// parseArrival reads the subject on which a delivered message is acknowledged:
// $JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<time>.<pending>,
// or the longer form with a domain and an account in front and more behind.
func parseArrival(reply string) (a arrival, ok bool) {
	const fields = 12
	var tokens [fields]string
	n, start := 0, 0
	for i := 0; i <= len(reply) && n < fields; i++ {
		if i == len(reply) || reply[i] == '.' {
			tokens[n] = reply[start:i]
			n++
			start = i + 1
		}
	}
	first := 2
	switch {
	case n < 9 || tokens[0] != "$JS" || tokens[1] != "ACK":
		return a, false
	case n > 9:
		first = 4
	}
	if n < first+7 {
		return a, false
	}
	a.stream = tokens[first]
	a.delivered = parseNumber(tokens[first+2])
	a.seq = parseNumber(tokens[first+3])
	a.order = parseNumber(tokens[first+4])
	a.stamp = int64(parseNumber(tokens[first+5]))
	a.pending = parseNumber(tokens[first+6])
	return a, a.seq != 0
}

// ackSubject is where a message of a source is acknowledged that was delivered, as far as
// the server needs to know to renew its lease.
func ackSubject(src *source, seq uint64) string {
	return fmt.Sprintf("$JS.ACK.%s.%s.1.%d.1.0.0", src.stream, routing.ConsumerName(src.queue), seq)
}

func parseNumber(s string) uint64 {
	var n uint64
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0
		}
		n = n*10 + uint64(c)
	}
	return n
}

// newDelivery reads a message as the consumer of a queue sees it.
func newDelivery(msg *nats.Msg, a arrival, src *source) *Delivery {
	d := &Delivery{
		Exchange:      src.exchange,
		Redelivered:   a.delivered > 1 || a.before || src.sieve.predates(a),
		DeliveryCount: int(a.delivered) - 1,
		msg:           msg,
		stream:        src.stream,
		reply:         msg.Reply,
		seq:           a.seq,
		stamp:         time.Unix(0, a.stamp),
	}
	if src.exchange == "" {
		d.Key = src.queue
	} else if key, ok := routing.SubjectKey(src.base, msg.Subject); ok {
		d.Key = key
	}
	d.Body = msg.Data
	if len(msg.Header) > 0 {
		amqp.DecodeProperties(&d.Message, msg.Header)
	}
	return d
}
