package amqp

import (
	"math/bits"
	"strings"
	"time"
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
	// most ten years. The smaller of it and the TTL of the queue counts. Default: empty, the
	// queue decides.
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

// EpochHeader is the one header of Warren's own that is no property: the run of the broker
// that a message for later ends with, if it is not persistent.
const EpochHeader = headerPrefix + "Epoch"

// EncodeProperties returns the properties of a message as headers of NATS: nil for a
// message without properties, otherwise one header each. It refuses, and names, a property
// that AMQP cannot carry.
func EncodeProperties(m *Message) (map[string][]string, error) {
	present := m.Properties()
	if present == 0 {
		return nil, nil
	}
	n := bits.OnesCount16(uint16(present))
	h, values := make(map[string][]string, n), make([]string, 0, n)
	for left := present; left != 0; left &= left - 1 {
		p := left & -left
		value, err := m.encodeProperty(p)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		h[HeaderOf(p)] = values[len(values)-1 : len(values) : len(values)]
	}
	return h, nil
}

// DecodeProperties sets everything but the body of m from the headers of a message of NATS.
// Headers that carry no property are those of a publisher that does not know AMQP: they
// become strings in m.Headers, except NATS' own and [EpochHeader]. Whatever the headers
// are, the message can be encoded again.
func DecodeProperties(m *Message, h map[string][]string) {
	*m = Message{Body: m.Body}
	for name, values := range h {
		p := headerProperties[name]
		if p != 0 && len(values) == 1 && m.decodeProperty(p, values[0]) && m.isZero(p) {
			m.Zero |= p
		}
	}
	present := m.Properties()
	for name, values := range h {
		if headerProperties[name]&present == 0 && !strings.HasPrefix(name, "Nats-") && name != EpochHeader {
			m.addForeign(name, values)
		}
	}
}

// addForeign adds a header that is none of ours.
func (m *Message) addForeign(name string, values []string) {
	if len(name) > MaxShort || len(values) == 0 {
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
