package amqp

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"
)

// AppendBinary appends the table in AMQP's encoding as RabbitMQ writes it, its
// length in front. The same table always gives the same bytes. A table that AMQP
// cannot carry is an error of 502, as with [Table.Validate], and nothing is
// appended.
func (t Table) AppendBinary(dst []byte) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return dst, err
	}
	return appendFields(dst, t), nil
}

// MarshalBinary returns the table as AppendBinary writes it.
func (t Table) MarshalBinary() ([]byte, error) { return t.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote, and nothing else: bytes that are
// left over, and numbers that RabbitMQ could not read, are an error of 502. Of two
// fields with the same name the last counts. The bytes are copied.
func (t *Table) UnmarshalBinary(encoded []byte) error {
	table, err := parseTable(string(encoded))
	*t = table
	return err
}

// parseTable is UnmarshalBinary of a string, of which names and strings are parts.
func parseTable(encoded string) (Table, error) {
	r := fieldReader{rest: encoded}
	t := r.table()
	if r.broken || len(r.rest) > 0 {
		return nil, Errorf(ErrSyntax, "malformed field table of %d bytes", len(encoded))
	}
	return t, nil
}

func appendFields(dst []byte, t Table) []byte {
	keys := make([]string, 0, 16)
	for key := range t {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, key := range keys {
		dst = append(dst, byte(len(key)))
		dst = append(dst, key...)
		dst = appendField(dst, t[key])
	}
	return putLength(dst, start)
}

func appendArray(dst []byte, array []any) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, value := range array {
		dst = appendField(dst, value)
	}
	return putLength(dst, start)
}

// putLength writes the length of what follows the four bytes at start into them.
func putLength(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// appendField appends a valid value behind the letter of its type.
func appendField(dst []byte, value any) []byte {
	switch v := value.(type) {
	case bool:
		return append(dst, 't', bit(v))
	case int8:
		return append(dst, 'b', byte(v))
	case uint8:
		return append(dst, 'B', v)
	case int16:
		return binary.BigEndian.AppendUint16(append(dst, 's'), uint16(v))
	case uint16:
		return binary.BigEndian.AppendUint16(append(dst, 'u'), v)
	case int32:
		return binary.BigEndian.AppendUint32(append(dst, 'I'), uint32(v))
	case uint32:
		return binary.BigEndian.AppendUint32(append(dst, 'i'), v)
	case int64:
		return binary.BigEndian.AppendUint64(append(dst, 'l'), uint64(v))
	case int:
		return binary.BigEndian.AppendUint64(append(dst, 'l'), uint64(v))
	case float32:
		return binary.BigEndian.AppendUint32(append(dst, 'f'), math.Float32bits(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(dst, 'd'), math.Float64bits(v))
	case Decimal:
		return binary.BigEndian.AppendUint32(append(dst, 'D', v.Scale), uint32(v.Value))
	case time.Time:
		return binary.BigEndian.AppendUint64(append(dst, 'T'), uint64(v.Unix()))
	case string:
		return append(binary.BigEndian.AppendUint32(append(dst, 'S'), uint32(len(v))), v...)
	case []byte:
		return append(binary.BigEndian.AppendUint32(append(dst, 'x'), uint32(len(v))), v...)
	case Table:
		return appendFields(append(dst, 'F'), v)
	case []any:
		return appendArray(append(dst, 'A'), v)
	}
	return append(dst, 'V')
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// fieldReader reads fields from rest. Once something is missing it is broken,
// and gives zeros.
type fieldReader struct {
	rest   string
	depth  int
	broken bool
}

// usualField is about how long a field is, its name among it.
const usualField = 24

func (r *fieldReader) table() Table {
	outer := r.enter()
	t := make(Table, len(r.rest)/usualField)
	for len(r.rest) > 0 {
		key := r.take(int(r.uint8()))
		t[key] = r.field()
	}
	r.leave(outer)
	return t
}

func (r *fieldReader) array() []any {
	array := []any{}
	outer := r.enter()
	for len(r.rest) > 0 {
		array = append(array, r.field())
	}
	r.leave(outer)
	return array
}

// enter reads a length and restricts the reader to as many bytes. It returns
// what lies behind them, for leave.
func (r *fieldReader) enter() (outer string) {
	inner := r.long()
	outer = r.rest
	r.rest = inner
	if r.depth++; r.depth > maxDepth+1 {
		r.fail()
	}
	return outer
}

func (r *fieldReader) leave(outer string) {
	r.depth--
	if !r.broken {
		r.rest = outer
	}
}

// field reads the letter of a type and the value behind it.
func (r *fieldReader) field() any {
	switch r.uint8() {
	case 't':
		return r.uint8() != 0
	case 'b':
		return int8(r.uint8())
	case 'B':
		return r.uint8()
	case 's':
		return int16(r.uint16())
	case 'u':
		return r.uint16()
	case 'I':
		return int32(r.uint32())
	case 'i':
		return r.uint32()
	case 'l', 'L': // RabbitMQ reads both as signed.
		return int64(r.uint64())
	case 'f':
		return float32(r.finite(float64(math.Float32frombits(r.uint32()))))
	case 'd':
		return r.finite(math.Float64frombits(r.uint64()))
	case 'D':
		return Decimal{Scale: r.uint8(), Value: int32(r.uint32())}
	case 'T':
		return time.Unix(int64(r.uint64()), 0).UTC()
	case 'S':
		return r.long()
	case 'x':
		return []byte(r.long())
	case 'F':
		return r.table()
	case 'A':
		return r.array()
	case 'V':
		return nil
	}
	r.fail()
	return nil
}

func (r *fieldReader) finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		r.fail()
	}
	return f
}

func (r *fieldReader) uint8() uint8   { return r.take(1)[0] }
func (r *fieldReader) uint16() uint16 { return binary.BigEndian.Uint16([]byte(r.take(2))) }
func (r *fieldReader) uint32() uint32 { return binary.BigEndian.Uint32([]byte(r.take(4))) }
func (r *fieldReader) uint64() uint64 { return binary.BigEndian.Uint64([]byte(r.take(8))) }

// long reads a length and as many bytes.
func (r *fieldReader) long() string {
	n := r.uint32()
	if uint64(n) > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	return r.take(int(n))
}

// take reads n bytes, n being less than 256 unless they are there.
func (r *fieldReader) take(n int) string {
	if n > len(r.rest) {
		r.fail()
		return zeros[:n]
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

var zeros = strings.Repeat("\x00", 255)

func (r *fieldReader) fail() {
	r.broken = true
	r.rest = ""
}
