package streams

import (
	"math/bits"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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
	Expiration      string // milliseconds, in digits
	MessageID       string
	Timestamp       time.Time // whole seconds are carried
	Type            string
	UserID          string
	AppID           string
	ClusterID       string

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
	present := m.present()
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
// AMQP: they become strings in m.Headers, except NATS' own. Whatever the headers
// are, the message can be encoded again.
func (m *Message) decode(h nats.Header) {
	*m = Message{Body: m.Body}
	for name, values := range h {
		p := headerProperties[name]
		if p != 0 && len(values) == 1 && m.decodeProperty(p, values[0]) && m.isZero(p) {
			m.Zero |= p
		}
	}
	present := m.present()
	for name, values := range h {
		if headerProperties[name]&present == 0 && !strings.HasPrefix(name, "Nats-") {
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
		m.Zero &^= PropertyHeaders
	}
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

// present returns the properties the message has.
func (m *Message) present() Property {
	present := m.Zero & (1<<len(propertyHeaders) - 1)
	for i := range propertyHeaders {
		if p := Property(1) << i; !m.isZero(p) {
			present |= p
		}
	}
	return present
}

func (m *Message) isZero(p Property) bool {
	switch p {
	case PropertyHeaders:
		return len(m.Headers) == 0
	case PropertyDeliveryMode:
		return m.DeliveryMode == 0
	case PropertyPriority:
		return m.Priority == 0
	case PropertyTimestamp:
		return m.Timestamp.IsZero()
	}
	return *m.text(p) == ""
}

// text returns the place of a property that is a string.
func (m *Message) text(p Property) *string {
	switch p {
	case PropertyContentType:
		return &m.ContentType
	case PropertyContentEncoding:
		return &m.ContentEncoding
	case PropertyCorrelationID:
		return &m.CorrelationID
	case PropertyReplyTo:
		return &m.ReplyTo
	case PropertyExpiration:
		return &m.Expiration
	case PropertyMessageID:
		return &m.MessageID
	case PropertyType:
		return &m.Type
	case PropertyUserID:
		return &m.UserID
	case PropertyAppID:
		return &m.AppID
	}
	return &m.ClusterID
}

// encodeProperty returns the header value of a property: nothing for a zero.
func (m *Message) encodeProperty(p Property) (string, error) {
	if m.isZero(p) {
		return "", nil
	}
	switch p {
	case PropertyHeaders:
		return m.Headers.text("headers.")
	case PropertyDeliveryMode:
		return strconv.Itoa(int(m.DeliveryMode)), nil
	case PropertyPriority:
		return strconv.Itoa(int(m.Priority)), nil
	case PropertyTimestamp:
		return strconv.FormatInt(m.Timestamp.Unix(), 10), nil
	}
	text := *m.text(p)
	if len(text) > maxShort {
		return "", errPrecondition("property '%s' is %d bytes long, more than %d", p, len(text), maxShort)
	}
	return headerText(text), nil
}

// decodeProperty sets a property, unless the value is none it can have.
func (m *Message) decodeProperty(p Property, value string) bool {
	if value == "" {
		return true
	}
	switch p {
	case PropertyHeaders:
		return setTo(&m.Headers, value, parseTableText)
	case PropertyDeliveryMode:
		return setTo(&m.DeliveryMode, value, parseOctet[DeliveryMode])
	case PropertyPriority:
		return setTo(&m.Priority, value, parseOctet[uint8])
	case PropertyTimestamp:
		return setTo(&m.Timestamp, value, parseSeconds)
	}
	return setTo(m.text(p), value, parseHeaderText)
}

// setTo sets a property to what parse reads in the value, if it can.
func setTo[T any](property *T, value string, parse func(string) (T, error)) bool {
	parsed, err := parse(value)
	if err == nil {
		*property = parsed
	}
	return err == nil
}

func parseOctet[T ~uint8](value string) (T, error) {
	n, err := strconv.ParseUint(value, 10, 8)
	return T(n), err
}

func parseSeconds(value string) (time.Time, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	return time.Unix(n, 0).UTC(), err
}

// parseHeaderText undoes headerText.
func parseHeaderText(value string) (string, error) {
	text, ok := unescape(value, '%')
	if !ok || len(text) > maxShort {
		return "", errSyntax("no property can be %q", value)
	}
	return text, nil
}

// headerText returns a text as a header value that gives it back: control
// characters, blanks at the ends, '%' and what is not UTF-8 become %XX.
func headerText(text string) string {
	if plainHeader(text) {
		return text
	}
	dst := make([]byte, 0, 3*len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		edge := i == 0 || i == len(text)-1
		if headerForbids[text[i]] || r == ' ' && edge || r == utf8.RuneError && size == 1 {
			dst = appendEscape(dst, '%', text[i])
		} else {
			dst = append(dst, text[i:i+size]...)
		}
		i += size
	}
	return string(dst)
}

func plainHeader(text string) bool {
	for i := range len(text) {
		if headerForbids[text[i]] {
			return false
		}
	}
	return !strings.HasPrefix(text, " ") && !strings.HasSuffix(text, " ") && utf8.ValidString(text)
}

// headerForbids says which bytes a header value cannot carry.
var headerForbids = func() (forbids [256]bool) {
	for c := range byte(' ') {
		forbids[c] = true
	}
	forbids['%'], forbids['\x7f'] = true, true
	return forbids
}()
