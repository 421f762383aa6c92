package wire

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"warren/streams/internal/amqp"
)

// A Method is one of the structs of this package, or a pointer to one where it is
// given to be written; [ParseMethod] returns pointers.
type Method any

// LongStr is a string of up to 4 GiB; any other string has at most 255 bytes.
type LongStr string

// ID is the numbers of a method.
type ID struct{ Class, Method uint16 }

// A kind is one of the types that AMQP's domains come down to.
type kind uint8

const (
	kindBit kind = iota
	kindUint8
	kindUint16
	kindUint32
	kindUint64
	kindShortStr
	kindLongStr
	kindTable
)

// kinds has the kind of a field by its type.
var kinds = map[reflect.Type]kind{
	reflect.TypeFor[bool]():       kindBit,
	reflect.TypeFor[uint8]():      kindUint8,
	reflect.TypeFor[uint16]():     kindUint16,
	reflect.TypeFor[uint32]():     kindUint32,
	reflect.TypeFor[uint64]():     kindUint64,
	reflect.TypeFor[string]():     kindShortStr,
	reflect.TypeFor[LongStr]():    kindLongStr,
	reflect.TypeFor[amqp.Table](): kindTable,
}

// A field is a field of a method on the wire.
type field struct {
	kind     kind
	bit      uint8 // which of its octet, for a bit
	reserved bool  // the struct has no name for it
}

// A layout is how a method is written.
type layout struct {
	id     ID
	name   string // such as basic.get_ok, as RabbitMQ's texts say it
	of     reflect.Type
	fields []field // one for each field of the struct
}

type layoutTable struct {
	byID   map[ID]*layout
	byType map[reflect.Type]*layout
}

func makeLayouts(methods map[ID]Method) layoutTable {
	table := layoutTable{make(map[ID]*layout), make(map[reflect.Type]*layout)}
	for id, m := range methods {
		l := newLayout(id, reflect.TypeOf(m))
		table.byID[id], table.byType[l.of] = l, l
	}
	return table
}

// newLayout reads the layout of a method from its struct: bits that stand next to
// one another share octets.
func newLayout(id ID, of reflect.Type) *layout {
	l := &layout{id: id, name: methodName(of.Name()), of: of}
	var bits uint8
	for f := range of.Fields() {
		k := kinds[f.Type]
		if k != kindBit {
			bits = 0
		}
		l.fields = append(l.fields, field{kind: k, bit: bits % 8, reserved: f.Name == "_"})
		if k == kindBit {
			bits++
		}
	}
	return l
}

// methodName turns BasicGetOk into basic.get_ok.
func methodName(name string) string {
	var words []string
	start := 0
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			words = append(words, strings.ToLower(name[start:i]))
			start = i
		}
	}
	words = append(words, strings.ToLower(name[start:]))
	return words[0] + "." + strings.Join(words[1:], "_")
}

// of returns the layout of a method, given as a struct or as a pointer to one.
func (t layoutTable) of(m Method) (*layout, reflect.Value, error) {
	v := reflect.ValueOf(m)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.IsValid() {
		if l := t.byType[v.Type()]; l != nil {
			return l, v, nil
		}
	}
	return nil, v, fmt.Errorf("%T is no method of AMQP", m)
}

// Name returns the name of a method as RabbitMQ's error texts have it, such as
// basic.get_ok, and "none" for what is no method.
func Name(m Method) string {
	l, _, err := layouts.of(m)
	if err != nil {
		return "none"
	}
	return l.name
}

// IDOf returns the numbers of a method, and zeros for what is no method, as a
// close that no method has caused carries them.
func IDOf(m Method) ID {
	l, _, err := layouts.of(m)
	if err != nil {
		return ID{}
	}
	return l.id
}
