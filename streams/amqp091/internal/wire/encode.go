package wire

import (
	"encoding/binary"
	"reflect"

	"warren/streams/internal/amqp"
)

// appendMethod appends the numbers and the fields of a method. A string that is too
// long, or a table that AMQP cannot carry, is an error of 502.
func appendMethod(dst []byte, m Method) ([]byte, error) {
	switch m := m.(type) {
	case *BasicDeliver:
		return m.append(dst)
	case *BasicPublish:
		return m.append(dst)
	case *BasicAck:
		return m.append(dst), nil
	}
	return appendLayout(dst, m)
}

// appendLayout is appendMethod for any method.
func appendLayout(dst []byte, m Method) ([]byte, error) {
	l, v, err := layouts.of(m)
	if err != nil {
		return dst, err
	}
	dst = appendID(dst, l.id)
	for i, f := range l.fields {
		if dst, err = f.append(dst, v.Field(i)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func appendID(dst []byte, id ID) []byte {
	dst = binary.BigEndian.AppendUint16(dst, id.Class)
	return binary.BigEndian.AppendUint16(dst, id.Method)
}

func (f field) append(dst []byte, v reflect.Value) ([]byte, error) {
	switch f.kind {
	case kindBit:
		return appendBit(dst, f.bit, v.Bool()), nil
	case kindUint8:
		return append(dst, byte(v.Uint())), nil
	case kindUint16:
		return binary.BigEndian.AppendUint16(dst, uint16(v.Uint())), nil
	case kindUint32:
		return binary.BigEndian.AppendUint32(dst, uint32(v.Uint())), nil
	case kindUint64:
		return binary.BigEndian.AppendUint64(dst, v.Uint()), nil
	case kindShortStr:
		return appendShort(dst, v.String())
	case kindLongStr:
		return append(binary.BigEndian.AppendUint32(dst, uint32(v.Len())), v.String()...), nil
	default:
		return v.Interface().(amqp.Table).AppendBinary(dst)
	}
}

// appendBit writes a bit into the last octet, or into a new one for the first.
func appendBit(dst []byte, bit uint8, set bool) []byte {
	if bit == 0 {
		dst = append(dst, 0)
	}
	if set {
		dst[len(dst)-1] |= 1 << bit
	}
	return dst
}

func appendShort(dst []byte, s string) ([]byte, error) {
	if len(s) > amqp.MaxShort {
		return dst, syntaxError("a short string of %d bytes; use at most %d", len(s), amqp.MaxShort)
	}
	return append(append(dst, byte(len(s))), s...), nil
}
