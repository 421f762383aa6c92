package wire

import (
	"encoding/binary"
	"reflect"

	"warren/streams/internal/amqp"
)

// ParseMethod reads the payload of a method frame and returns a pointer to the
// method's struct, which keeps nothing of the payload. Numbers that are no method's
// are 540; fields that end early, or leave bytes over, are 501 as in RabbitMQ; a
// malformed table is 502.
func ParseMethod(payload []byte) (Method, error) {
	r := reader{rest: payload}
	id := ID{r.uint16(), r.uint16()}
	l := layouts.byID[id]
	switch {
	case r.broken:
		return nil, frameError("cannot decode a method of %d bytes", len(payload))
	case l == nil:
		return nil, amqp.Errorf(amqp.ErrNotImplemented, "there is no method %d of class %d", id.Method, id.Class)
	}
	m := r.method(l)
	switch {
	case r.err != nil:
		return nil, r.err
	case r.broken || len(r.rest) > 0:
		return nil, frameError("cannot decode %d bytes of %s", len(payload), l.name)
	}
	return m, nil
}

// method reads the fields of a method.
func (r *reader) method(l *layout) Method {
	switch l.id {
	case idBasicPublish:
		return r.basicPublish()
	case idBasicDeliver:
		return r.basicDeliver()
	case idBasicAck:
		return r.basicAck()
	}
	return r.layout(l)
}

// layout is method for any method.
func (r *reader) layout(l *layout) Method {
	m := reflect.New(l.of)
	for i, f := range l.fields {
		v := m.Elem().Field(i)
		if f.reserved {
			v = reflect.New(v.Type()).Elem()
		}
		r.field(f, v)
	}
	return m.Interface()
}

func (r *reader) field(f field, v reflect.Value) {
	switch f.kind {
	case kindBit:
		v.SetBool(r.bit(f.bit))
	case kindUint8:
		v.SetUint(uint64(r.uint8()))
	case kindUint16:
		v.SetUint(uint64(r.uint16()))
	case kindUint32:
		v.SetUint(uint64(r.uint32()))
	case kindUint64:
		v.SetUint(r.uint64())
	case kindShortStr:
		v.SetString(r.short())
	case kindLongStr:
		v.SetString(string(r.take(int(r.uint32()))))
	default:
		v.Set(reflect.ValueOf(r.table()))
	}
}

// A reader reads from rest. Once something is missing it is broken and gives zeros.
type reader struct {
	rest   []byte
	octet  uint8 // of the bits that are being read
	broken bool
	err    error // why, if there is more to say than that something is missing
}

var zeros [8]byte

func (r *reader) uint8() uint8   { return r.number(1)[0] }
func (r *reader) uint16() uint16 { return binary.BigEndian.Uint16(r.number(2)) }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.number(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.number(8)) }

// bit reads a bit: the first of an octet reads the octet.
func (r *reader) bit(bit uint8) bool {
	if bit == 0 {
		r.octet = r.uint8()
	}
	return r.octet&(1<<bit) != 0
}

func (r *reader) short() string { return string(r.take(int(r.uint8()))) }

// table reads a table with the length in front of it.
func (r *reader) table() amqp.Table {
	encoded := r.rest
	r.take(int(r.uint32()))
	var t amqp.Table
	if r.broken {
		return t
	}
	if err := t.UnmarshalBinary(encoded[:len(encoded)-len(r.rest)]); err != nil {
		r.broken, r.err = true, err
	}
	return t
}

// number reads the n bytes of a number, at most 8.
func (r *reader) number(n int) []byte {
	if b := r.take(n); b != nil {
		return b
	}
	return zeros[:n]
}

// take reads n bytes, which are a part of the payload; nil if they are not there.
func (r *reader) take(n int) []byte {
	if n > len(r.rest) || r.broken {
		r.broken = true
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}
