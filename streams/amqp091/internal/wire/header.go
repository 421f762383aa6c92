package wire

import (
	"encoding/binary"
	"time"

	"warren/streams/internal/amqp"
)

// classBasic is the class of every content header.
const classBasic = 60

// propertyFlag is the flag of the first property, content-type; each next property
// has the next lower bit. The lowest bit of all says that more flags follow, which
// no property of AMQP 0-9-1 needs.
const propertyFlag = 1 << 15

// properties are the fourteen properties in the order of the wire.
var properties = [...]amqp.Property{
	amqp.PropertyContentType, amqp.PropertyContentEncoding, amqp.PropertyHeaders,
	amqp.PropertyDeliveryMode, amqp.PropertyPriority, amqp.PropertyCorrelationID,
	amqp.PropertyReplyTo, amqp.PropertyExpiration, amqp.PropertyMessageID,
	amqp.PropertyTimestamp, amqp.PropertyType, amqp.PropertyUserID,
	amqp.PropertyAppID, amqp.PropertyClusterID,
}

// appendHeader appends the payload of a content header: a body of that size, and the
// properties that the message has.
func appendHeader(dst []byte, size uint64, m *amqp.Message) ([]byte, error) {
	dst = append(dst, 0, classBasic, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, size)
	present := m.Properties()
	var flags uint16
	for i, p := range properties {
		if present&p != 0 {
			flags |= propertyFlag >> i
		}
	}
	dst = binary.BigEndian.AppendUint16(dst, flags)
	for _, p := range properties {
		if present&p == 0 {
			continue
		}
		var err error
		if dst, err = appendProperty(dst, p, m); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func appendProperty(dst []byte, p amqp.Property, m *amqp.Message) ([]byte, error) {
	switch p {
	case amqp.PropertyHeaders:
		return m.Headers.AppendBinary(dst)
	case amqp.PropertyDeliveryMode:
		return append(dst, byte(m.DeliveryMode)), nil
	case amqp.PropertyPriority:
		return append(dst, m.Priority), nil
	case amqp.PropertyTimestamp:
		return binary.BigEndian.AppendUint64(dst, seconds(m.Timestamp)), nil
	}
	return appendShort(dst, *amqp.Text(m, p))
}

// seconds is a time on the wire. The zero time, which was never sent as one, is 0.
func seconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.Unix())
}

// ParseHeader reads the payload of a content header: how large the body is that
// follows, and a message with the properties that are present, and no body. Fields
// that end early or leave bytes over, and flags of no property, are 501; a malformed
// table is 502.
func ParseHeader(payload []byte) (size uint64, m amqp.Message, err error) {
	r := reader{rest: payload}
	class := r.uint16()
	r.uint16() // the weight, which is always 0
	size = r.uint64()
	flags := r.uint16()
	var present amqp.Property
	for i, p := range properties {
		if flags&(propertyFlag>>i) != 0 {
			present |= p
			r.property(p, &m)
		}
	}
	m.Zero = present &^ m.Properties()
	switch {
	case r.err != nil:
		return 0, amqp.Message{}, r.err
	case r.broken || len(r.rest) > 0 || class != classBasic || flags&3 != 0:
		return 0, amqp.Message{}, frameError("cannot decode a content header of %d bytes", len(payload))
	}
	return size, m, nil
}

// property reads a property that is present.
func (r *reader) property(p amqp.Property, m *amqp.Message) {
	switch p {
	case amqp.PropertyHeaders:
		m.Headers = r.table()
	case amqp.PropertyDeliveryMode:
		m.DeliveryMode = amqp.DeliveryMode(r.uint8())
	case amqp.PropertyPriority:
		m.Priority = r.uint8()
	case amqp.PropertyTimestamp:
		m.Timestamp = time.Unix(int64(r.uint64()), 0).UTC()
	default:
		*amqp.Text(m, p) = r.short()
	}
}
