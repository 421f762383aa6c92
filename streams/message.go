package streams

import (
	"math/bits"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// DeliveryMode says whether a message should survive a restart of the server.
type DeliveryMode uint8

// The delivery modes AMQP has. A message without one is transient.
const (
	Transient  DeliveryMode = 1
	Persistent DeliveryMode = 2
)

// Message is a message with AMQP's fourteen properties.
type Message struct {
	ContentType     string
	ContentEncoding string
	Headers         Table
	DeliveryMode    DeliveryMode
	Priority        uint8
	CorrelationID   string
	ReplyTo         string
	// Expiration is how long the message may wait in a queue: milliseconds, in digits, at
	// most ten years. It is dropped as by [Queue.MessageTTL]; the smaller counts. Default:
	// empty, the queue decides.
	Expiration string
	MessageID  string
	Timestamp  time.Time // whole seconds are carried
	Type       string
	UserID     string
	AppID      string
	ClusterID  string

	// Zero has the properties that are present although they have their zero
	// value, such as a priority of 0 that was sent. What is not zero is present
	// anyway.
	Zero Property

	Body []byte
}

// encode returns the properties as headers of NATS: none for a message without
// properties, otherwise one each. It refuses, and names, a property AMQP could
// not carry.
func (m *Message) encode() (nats.Header, error) {
	present := m.Properties()
	if present == 0 {
		return nil, nil
	}
	n := bits.OnesCount16(uint16(present))
	h, values := make(nats.Header, n), make([]string, 0, n)
	for left := present; left != 0; left &= left - 1 {
		p := left & -left
		value, err := m.encodeProperty(p)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		h[p.header()] = values[len(values)-1 : len(values) : len(values)]
	}
	return h, nil
}

// decode sets everything but the body from the headers of a message of NATS.
// Headers that carry no property are those of a publisher that does not know
// AMQP: they become strings in m.Headers, except NATS' own and ours. Whatever the headers
// are, the message can be encoded again.
func (m *Message) decode(h nats.Header) {
	*m = Message{Body: m.Body}
	for name, values := range h {
		p := headerProperties[name]
		if p != 0 && len(values) == 1 && m.decodeProperty(p, values[0]) && m.isZero(p) {
			m.Zero |= p
		}
	}
	present := m.Properties()
	for name, values := range h {
		if headerProperties[name]&present == 0 && !strings.HasPrefix(name, "Nats-") && name != epochHeader {
			m.addForeign(name, values)
		}
	}
}

// addForeign adds a header that is none of ours.
func (m *Message) addForeign(name string, values []string) {
	if len(name) > maxShort || len(values) == 0 {
		return
	}
	if _, ok := m.Headers[name]; ok {
		return
	}
	if m.Headers == nil {
		m.Headers = Table{}
	}
	m.Zero &^= PropertyHeaders
	if len(values) == 1 {
		m.Headers[name] = values[0]
		return
	}
	array := make([]any, len(values))
	for i, value := range values {
		array[i] = value
	}
	m.Headers[name] = array
}

// size returns how many bytes of the server's maximum payload the message
// takes.
func (m *Message) size() int {
	h, _ := m.encode()
	return (&nats.Msg{Header: h, Data: m.Body}).Size()
}

// Properties returns the properties that the message has: those that are not zero,
// and those that Zero lists.
func (m *Message) Properties() Property {
	present := m.Zero & (1<<len(propertyHeaders) - 1)
	for i := range propertyHeaders {
		if p := Property(1) << i; !m.isZero(p) {
			present |= p
		}
	}
	return present
}
