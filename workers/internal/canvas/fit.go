package canvas

import (
	"encoding"
	"encoding/json"
	"reflect"

	"warren/workers/internal/celery"
)

// What comes before a call is given to it as JSON. Of registered tasks it is
// known beforehand what cannot be read: a text is no number, a list no text.

// Any is the type of what is not known beforehand.
var Any = reflect.TypeFor[any]()

// Fits reports whether JSON of one type may be read into another. It is sure only
// when it says no.
func Fits(out, in reflect.Type) bool {
	out, in = direct(out), direct(in)
	if chooses(out) || chooses(in) {
		return true
	}
	a, b := jsonKind(out), jsonKind(in)
	if a != b {
		return a == "" || b == ""
	}
	return a != "list" || Fits(out.Elem(), in.Elem())
}

func direct(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// chooses reports whether a type says itself what it is in JSON.
func chooses(t reflect.Type) bool {
	for _, way := range []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	} {
		if t.Implements(way) || reflect.PointerTo(t).Implements(way) {
			return t != reflect.TypeFor[celery.Failure]()
		}
	}
	return false
}

// jsonKind is what a type is in JSON; "" when it may be anything.
func jsonKind(t reflect.Type) string {
	switch k := t.Kind(); {
	case k == reflect.Bool:
		return "bool"
	case k >= reflect.Int && k <= reflect.Float64:
		return "number"
	case k == reflect.String:
		return "text"
	case k == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "text"
	case k == reflect.Slice || k == reflect.Array:
		return "list"
	case k == reflect.Map || k == reflect.Struct:
		return "object"
	}
	return ""
}

// listType is the type of a list of values of these types.
func listType(types []reflect.Type) reflect.Type {
	for _, t := range types {
		if t != types[0] {
			return reflect.SliceOf(Any)
		}
	}
	if len(types) == 0 {
		return reflect.SliceOf(Any)
	}
	return reflect.SliceOf(types[0])
}
