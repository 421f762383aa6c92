package amqp

import (
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Property is a set of AMQP's properties of a message.
type Property uint16

// The fourteen properties, in AMQP's order.
const (
	PropertyContentType Property = 1 << iota
	PropertyContentEncoding
	PropertyHeaders
	PropertyDeliveryMode
	PropertyPriority
	PropertyCorrelationID
	PropertyReplyTo
	PropertyExpiration
	PropertyMessageID
	PropertyTimestamp
	PropertyType
	PropertyUserID
	PropertyAppID
	PropertyClusterID
)

// headerPrefix begins the names of all headers that carry properties.
const headerPrefix = "Amqp-"

// propertyHeaders names the header of each property, in the order of the bits.
var propertyHeaders = [...]string{
	"Amqp-Content-Type",
	"Amqp-Content-Encoding",
	"Amqp-Headers",
	"Amqp-Delivery-Mode",
	"Amqp-Priority",
	"Amqp-Correlation-Id",
	"Amqp-Reply-To",
	"Amqp-Expiration",
	"Amqp-Message-Id",
	"Amqp-Timestamp",
	"Amqp-Type",
	"Amqp-User-Id",
	"Amqp-App-Id",
	"Amqp-Cluster-Id",
}

// headerProperties is propertyHeaders the other way round.
var headerProperties = func() map[string]Property {
	properties := map[string]Property{}
	for i, header := range propertyHeaders {
		properties[header] = 1 << i
	}
	return properties
}()

// HeaderOf returns the name of the header that carries one property.
func HeaderOf(p Property) string {
	return propertyHeaders[bits.TrailingZeros16(uint16(p))]
}

// String returns AMQP's names of the properties.
func (p Property) String() string {
	var names []string
	for i, header := range propertyHeaders {
		if p&(1<<i) != 0 {
			names = append(names, strings.ToLower(header[len(headerPrefix):]))
		}
	}
	return strings.Join(names, ", ")
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
	return *Text(m, p) == ""
}

// Text returns the place in m of a property that is a string.
func Text(m *Message, p Property) *string {
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
	text := *Text(m, p)
	if len(text) > MaxShort {
		return "", Errorf(ErrPreconditionFailed, "property '%s' is %d bytes long, more than %d", p, len(text), MaxShort)
	}
	return EscapeHeader(text), nil
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
	return setTo(Text(m, p), value, UnescapeHeader)
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
