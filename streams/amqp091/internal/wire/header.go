package wire

import (
	"encoding/binary"
	"time"

	"warren/streams"
)

// classBasic is the class of every content header.
const classBasic = 60

// propertyFlag is the flag of the first property, content-type; each next property
// has the next lower bit. The lowest bit of all says that more flags follow, which
// no property of AMQP 0-9-1 needs.
const propertyFlag = 1 << 15

// properties are the fourteen properties in the order of the wire.
var properties = [...]streams.Property{
	streams.PropertyContentType, streams.PropertyContentEncoding, streams.PropertyHeaders,
	streams.PropertyDeliveryMode, streams.PropertyPriority, streams.PropertyCorrelationID,
	streams.PropertyReplyTo, streams.PropertyExpiration, streams.PropertyMessageID,
	streams.PropertyTimestamp, streams.PropertyType, streams.PropertyUserID,
	streams.PropertyAppID, streams.PropertyClusterID,
}

// appendHeader appends the payload of a content header: a body of that size, and the
// properties that the message has.
func appendHeader(dst []byte, size uint64, m *streams.Message) ([]byte, error) {
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

func appendProperty(dst []byte, p streams.Property, m *streams.Message) ([]byte, error) {
	switch p {
	case streams.PropertyHeaders:
		return m.Headers.AppendBinary(dst)
	case streams.PropertyDeliveryMode:
		return append(dst, byte(m.DeliveryMode)), nil
	case streams.PropertyPriority:
		return append(dst, m.Priority), nil
	case streams.PropertyTimestamp:
		return binary.BigEndian.AppendUint64(dst, seconds(m.Timestamp)), nil
	}
	return appendShort(dst, *text(p, m))
}

// seconds is a time on the wire. The zero time, which was never sent as one, is 0.
func seconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.Unix())
}

// text is the place of a property that is a short string.
func text(p streams.Property, m *streams.Message) *string {
	switch p {
	case streams.PropertyContentType:
		return &m.ContentType
	case streams.PropertyContentEncoding:
		return &m.ContentEncoding
	case streams.PropertyCorrelationID:
		return &m.CorrelationID
	case streams.PropertyReplyTo:
		return &m.ReplyTo
	case streams.PropertyExpiration:
		return &m.Expiration
	case streams.PropertyMessageID:
		return &m.MessageID
	case streams.PropertyType:
		return &m.Type
	case streams.PropertyUserID:
		return &m.UserID
	case streams.PropertyAppID:
		return &m.AppID
	default:
		return &m.ClusterID
	}
}

// ParseHeader reads the payload of a content header: how large the body is that
// follows, and a message with the properties that are present, and no body. Fields
// that end early or leave bytes over, and flags of no property, are 501; a malformed
// table is 502.
func ParseHeader(payload []byte) (size uint64, m streams.Message, err error) {
	r := reader{rest: payload}
	class := r.uint16()
	r.uint16() // the weight, which is always 0
	size = r.uint64()
	flags := r.uint16()
	var present streams.Property
	for i, p := range properties {
		if flags&(propertyFlag>>i) != 0 {
			present |= p
			r.property(p, &m)
		}
	}
	m.Zero = present &^ m.Properties()
	switch {
	case r.err != nil:
		return 0, streams.Message{}, r.err
	case r.broken || len(r.rest) > 0 || class != classBasic || flags&3 != 0:
		return 0, streams.Message{}, frameError("cannot decode a content header of %d bytes", len(payload))
	}
	return size, m, nil
}

// property reads a property that is present.
func (r *reader) property(p streams.Property, m *streams.Message) {
	switch p {
	case streams.PropertyHeaders:
		m.Headers = r.table()
	case streams.PropertyDeliveryMode:
		m.DeliveryMode = streams.DeliveryMode(r.uint8())
	case streams.PropertyPriority:
		m.Priority = r.uint8()
	case streams.PropertyTimestamp:
		m.Timestamp = time.Unix(int64(r.uint64()), 0).UTC()
	default:
		*text(p, m) = r.short()
	}
}
