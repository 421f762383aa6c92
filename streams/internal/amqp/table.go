package amqp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Table is a field table of AMQP: the headers of a message or the arguments of
// a declaration. Its values are of the types AMQP has: bool, int8, uint8, int16,
// uint16, int32, uint32, int64, float32, float64, [Decimal], string, []byte,
// [time.Time] (whole seconds are carried), Table, []any of these, and nil. An
// int is carried as an int64. There is no uint64 in AMQP.
type Table map[string]any

// Decimal is AMQP's decimal number: Value with Scale digits behind the point.
type Decimal struct {
	Scale uint8
	Value int32
}

// maxDepth is how deep tables and arrays may lie in one another.
const maxDepth = 32

// Validate returns an error that names a field AMQP cannot carry, if there is
// one.
func (t Table) Validate() error { return t.validate("", 0) }

func (t Table) validate(path string, depth int) error {
	if depth > maxDepth {
		return Errorf(ErrSyntax, "field '%s' lies deeper than %d tables", path, maxDepth)
	}
	for key, value := range t {
		if len(key) > MaxShort {
			return Errorf(ErrSyntax, "the name of field '%s%.16s...' is longer than %d bytes", path, key, MaxShort)
		}
		if err := validateField(value, path+key, depth); err != nil {
			return err
		}
	}
	return nil
}

func validateField(value any, path string, depth int) error {
	switch v := value.(type) {
	case nil, bool, int8, uint8, int16, uint16, int32, uint32, int64, int, Decimal, string, []byte, time.Time:
		return nil
	case float32:
		return validateFloat(float64(v), path)
	case float64:
		return validateFloat(v, path)
	case Table:
		return v.validate(path+".", depth+1)
	case []any:
		return validateArray(v, path, depth+1)
	}
	return Errorf(ErrSyntax, "field '%s' is of type %T, which AMQP does not have", path, value)
}

// validateFloat refuses what Erlang has no number for.
func validateFloat(f float64, path string) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Errorf(ErrSyntax, "field '%s' is %v, which RabbitMQ cannot carry", path, f)
	}
	return nil
}

func validateArray(array []any, path string, depth int) error {
	if depth > maxDepth {
		return Errorf(ErrSyntax, "field '%s' lies deeper than %d tables", path, maxDepth)
	}
	for i, value := range array {
		if err := validateField(value, fmt.Sprintf("%s[%d]", path, i), depth); err != nil {
			return err
		}
	}
	return nil
}

// Identical reports whether two valid tables are the same in everything AMQP
// carries, the width of a number too.
func Identical(a, b Table) bool {
	return bytes.Equal(appendFields(nil, a), appendFields(nil, b))
}

// Equivalent reports whether two valid tables of arguments ask for the same
// thing, as declaring again must: integers and floats may differ in width.
func Equivalent(a, b Table) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		other, ok := b[key]
		if !ok || !equalArgument(value, other) {
			return false
		}
	}
	return true
}

func equalArgument(a, b any) bool {
	_, binary := a.([]byte)
	_, other := b.([]byte)
	return binary == other && EqualValues(a, b)
}

// EqualValues reports whether a headers exchange takes two valid values for the
// same. RabbitMQ compares what it has decoded: integers of any width, floats of
// any width, and a string and the bytes of it are equal, 1 and 1.0 or "1" are
// not. Inside tables and arrays the types must be the same too.
func EqualValues(a, b any) bool {
	a, b = Widen(a), Widen(b)
	switch a := a.(type) {
	case Table, []any:
		return bytes.Equal(appendField(nil, a), appendField(nil, b))
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Unix() == b.Unix()
	}
	return a == b
}

// Widen returns a value as Erlang has it, without its width.
func Widen(value any) any {
	switch v := value.(type) {
	case int8:
		return int64(v)
	case uint8:
		return int64(v)
	case int16:
		return int64(v)
	case uint16:
		return int64(v)
	case int32:
		return int64(v)
	case uint32:
		return int64(v)
	case int:
		return int64(v)
	case float32:
		return float64(v)
	case []byte:
		return string(v)
	}
	return value
}

// FieldType is RabbitMQ's name of the type of a valid value.
func FieldType(value any) string {
	switch value.(type) {
	case bool:
		return "bool"
	case int8:
		return "byte"
	case uint8:
		return "unsignedbyte"
	case int16:
		return "short"
	case uint16:
		return "unsignedshort"
	case int32:
		return "signedint"
	case uint32:
		return "unsignedint"
	case int64, int:
		return "long"
	case float32:
		return "float"
	case float64:
		return "double"
	case Decimal:
		return "decimal"
	case string:
		return "longstr"
	case []byte:
		return "binary"
	case time.Time:
		return "timestamp"
	case Table:
		return "table"
	case []any:
		return "array"
	}
	return "void"
}

// MarshalJSON returns the table in AMQP's own encoding, as one string in base64,
// so that every type comes back.
func (t Table) MarshalJSON() ([]byte, error) {
	if t == nil {
		return []byte("null"), nil
	}
	text, err := t.text("")
	if err != nil {
		return nil, err
	}
	return json.Marshal(text)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *Table) UnmarshalJSON(quoted []byte) error {
	var text *string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return fmt.Errorf("read a field table: %w", err)
	}
	*t = nil
	if text == nil {
		return nil
	}
	table, err := parseTableText(*text)
	*t = table
	return err
}

// text returns the table's encoding in base64. An error names fields by their
// path, with root in front.
func (t Table) text(root string) (string, error) {
	if err := t.validate(root, 0); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(appendFields(nil, t)), nil
}

// EncodedSize returns how many bytes a valid table takes in AMQP's encoding.
func EncodedSize(t Table) int { return len(appendFields(nil, t)) }

// parseTableText undoes text.
func parseTableText(text string) (Table, error) {
	binary, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, Errorf(ErrSyntax, "field table: %w", err)
	}
	return parseTable(string(binary))
}
