package streams

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
		return errSyntax("field '%s' lies deeper than %d tables", path, maxDepth)
	}
	for key, value := range t {
		if len(key) > maxShort {
			return errSyntax("the name of field '%s%.16s...' is longer than %d bytes", path, key, maxShort)
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
	return errSyntax("field '%s' is of type %T, which AMQP does not have", path, value)
}

// validateFloat refuses what Erlang has no number for.
func validateFloat(f float64, path string) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return errSyntax("field '%s' is %v, which RabbitMQ cannot carry", path, f)
	}
	return nil
}

func validateArray(array []any, path string, depth int) error {
	if depth > maxDepth {
		return errSyntax("field '%s' lies deeper than %d tables", path, maxDepth)
	}
	for i, value := range array {
		if err := validateField(value, fmt.Sprintf("%s[%d]", path, i), depth); err != nil {
			return err
		}
	}
	return nil
}

// sameTables reports whether two valid tables are the same in everything AMQP
// carries, the width of a number too.
func sameTables(a, b Table) bool {
	return bytes.Equal(appendFields(nil, a), appendFields(nil, b))
}

// equalTables reports whether two valid tables of arguments ask for the same
// thing, as declaring again must: integers and floats may differ in width.
func equalTables(a, b Table) bool {
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
	return binary == other && equalValue(a, b)
}

// equalValue reports whether a headers exchange takes two valid values for the
// same. RabbitMQ compares what it has decoded: integers of any width, floats of
// any width, and a string and the bytes of it are equal, 1 and 1.0 or "1" are
// not. Inside tables and arrays the types must be the same too.
func equalValue(a, b any) bool {
	a, b = decoded(a), decoded(b)
	switch a := a.(type) {
	case Table, []any:
		return bytes.Equal(appendField(nil, a), appendField(nil, b))
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Unix() == b.Unix()
	}
	return a == b
}

// decoded returns a value as Erlang has it, without its width.
func decoded(value any) any {
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

// parseTableText undoes text.
func parseTableText(text string) (Table, error) {
	binary, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errSyntax("field table: %w", err)
	}
	return parseTable(string(binary))
}
