package wire

import "encoding/binary"

// The methods that come with every message, written by hand.
var (
	idBasicPublish = ID{60, 40}
	idBasicDeliver = ID{60, 60}
	idBasicAck     = ID{60, 80}
)

func (m *BasicPublish) append(dst []byte) ([]byte, error) {
	dst = append(appendID(dst, idBasicPublish), 0, 0)
	dst, err := appendRoute(dst, m.Exchange, m.RoutingKey)
	dst = appendBit(dst, 0, m.Mandatory)
	return appendBit(dst, 1, m.Immediate), err
}

func (m *BasicDeliver) append(dst []byte) ([]byte, error) {
	dst, err := appendShort(appendID(dst, idBasicDeliver), m.ConsumerTag)
	if err != nil {
		return dst, err
	}
	dst = binary.BigEndian.AppendUint64(dst, m.DeliveryTag)
	dst = appendBit(dst, 0, m.Redelivered)
	return appendRoute(dst, m.Exchange, m.RoutingKey)
}

func (m *BasicAck) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(appendID(dst, idBasicAck), m.DeliveryTag)
	return appendBit(dst, 0, m.Multiple)
}

func appendRoute(dst []byte, exchange, key string) ([]byte, error) {
	dst, err := appendShort(dst, exchange)
	if err != nil {
		return dst, err
	}
	return appendShort(dst, key)
}

func (r *reader) basicPublish() *BasicPublish {
	r.uint16()
	return &BasicPublish{
		Exchange: r.short(), RoutingKey: r.short(),
		Mandatory: r.bit(0), Immediate: r.bit(1),
	}
}

func (r *reader) basicDeliver() *BasicDeliver {
	return &BasicDeliver{
		ConsumerTag: r.short(), DeliveryTag: r.uint64(), Redelivered: r.bit(0),
		Exchange: r.short(), RoutingKey: r.short(),
	}
}

func (r *reader) basicAck() *BasicAck {
	return &BasicAck{DeliveryTag: r.uint64(), Multiple: r.bit(0)}
}
