package streams

import (
	"warren/streams/internal/amqp"
	"warren/streams/internal/routing"
)

// Message is a message with AMQP's fourteen properties, and a Body of bytes:
//
//	ContentType     string
//	ContentEncoding string
//	Headers         Table
//	DeliveryMode    DeliveryMode // Transient or Persistent
//	Priority        uint8
//	CorrelationID   string
//	ReplyTo         string
//	Expiration      string    // milliseconds in digits, at most ten years
//	MessageID       string
//	Timestamp       time.Time // whole seconds are carried
//	Type            string
//	UserID          string
//	AppID           string
//	ClusterID       string
//	Zero            Property
//	Body            []byte
//
// Expiration is how long the message may wait in a queue. It is dropped as by
// [Queue.MessageTTL]; the smaller counts, and if it is empty, the queue decides. Its method
// Lifetime returns it as a [time.Duration].
//
// What is not zero is present. Zero has the properties that are present although they have
// their zero value, such as a priority of 0 that was sent. The method Properties returns all
// that are present.
type Message = amqp.Message

// DeliveryMode says whether a message should survive a restart of the server.
type DeliveryMode = amqp.DeliveryMode

// The delivery modes AMQP has. A message without one is transient.
const (
	Transient  = amqp.Transient
	Persistent = amqp.Persistent
)

// Table is a field table of AMQP: the headers of a message or the arguments of
// a declaration. It is a map[string]any, whose values are of the types AMQP has: bool, int8,
// uint8, int16, uint16, int32, uint32, int64, float32, float64, [Decimal], string, []byte,
// [time.Time] (whole seconds are carried), Table, []any of these, and nil. An
// int is carried as an int64. There is no uint64 in AMQP.
//
// Its method Validate names a field that AMQP cannot carry, if there is one. AppendBinary,
// MarshalBinary and UnmarshalBinary write and read AMQP's own encoding, MarshalJSON and
// UnmarshalJSON the same as one string in base64.
type Table = amqp.Table

// Decimal is AMQP's decimal number: Value (an int32) with Scale (a uint8) digits behind the
// point.
type Decimal = amqp.Decimal

// Property is a set of AMQP's properties of a message; String names them.
type Property = amqp.Property

// The fourteen properties, in AMQP's order.
const (
	PropertyContentType     = amqp.PropertyContentType
	PropertyContentEncoding = amqp.PropertyContentEncoding
	PropertyHeaders         = amqp.PropertyHeaders
	PropertyDeliveryMode    = amqp.PropertyDeliveryMode
	PropertyPriority        = amqp.PropertyPriority
	PropertyCorrelationID   = amqp.PropertyCorrelationID
	PropertyReplyTo         = amqp.PropertyReplyTo
	PropertyExpiration      = amqp.PropertyExpiration
	PropertyMessageID       = amqp.PropertyMessageID
	PropertyTimestamp       = amqp.PropertyTimestamp
	PropertyType            = amqp.PropertyType
	PropertyUserID          = amqp.PropertyUserID
	PropertyAppID           = amqp.PropertyAppID
	PropertyClusterID       = amqp.PropertyClusterID
)

// Kind is the type of an exchange: how it chooses the queues of a message.
type Kind = routing.Kind

// The types of exchange AMQP has.
const (
	Direct  = routing.Direct  // the routing key is the binding key
	Fanout  = routing.Fanout  // every message
	Topic   = routing.Topic   // the routing key matches the binding key, word by word
	Headers = routing.Headers // the headers meet the arguments of the binding
)
