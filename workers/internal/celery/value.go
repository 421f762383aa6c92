package celery

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"warren/workers/internal/jsontext"
)

// ReadValue reads a value that a task is given: JSON, with what Python makes of it.
// The numbers that JSON does not have go where a float can be; typed values of newer
// Celerys go where their plain form can be read.
func ReadValue(text json.RawMessage, to any) error {
	err := json.Unmarshal(text, to)
	if err != nil && bytes.Contains(text, []byte(`"__`)) {
		err = readTyped(text, to, err)
	}
	if err == nil && bytes.Contains(text, []byte(keptSign)) {
		err = restoreNumbers(text, to)
	}
	return err
}

// readTyped reads a value after its typed values were made plain, in the one way or
// in the other.
func readTyped(text json.RawMessage, to any, unreadable error) error {
	ways := []func(kind, value string) (any, bool){goValue, textValue}
	if reflect.ValueOf(to).Elem().Kind() == reflect.String {
		ways[0], ways[1] = ways[1], ways[0]
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if d.Decode(&tree) != nil {
		return unreadable
	}
	for _, way := range ways {
		plain, err := jsontext.Marshal(untyped(tree, way))
		if err != nil {
			return unreadable
		}
		if err = json.Unmarshal(plain, to); err == nil {
			return nil
		}
	}
	return unreadable
}

// untyped makes the typed values in a tree plain, in one way.
func untyped(tree any, way func(kind, value string) (any, bool)) any {
	switch node := tree.(type) {
	case []any:
		list := make([]any, len(node))
		for i, one := range node {
			list[i] = untyped(one, way)
		}
		return list
	case map[string]any:
		if kind, value, ok := typedValue(node); ok {
			if plain, ok := way(kind, value); ok {
				return plain
			}
		}
		all := make(map[string]any, len(node))
		for name, one := range node {
			all[name] = untyped(one, way)
		}
		return all
	}
	return tree
}

// typedValue reads a typed value as kombu writes it, or wrote bytes before 5.4.
func typedValue(node map[string]any) (kind, value string, ok bool) {
	if len(node) != 2 {
		return "", "", false
	}
	kind, _ = node["__type__"].(string)
	switch was := node["__value__"].(type) {
	case string:
		return kind, was, kind != ""
	case map[string]any: // of a UUID
		value, ok = was["hex"].(string)
		return kind, value, ok && kind == "uuid"
	}
	value, ok = node["bytes"].(string)
	switch {
	case ok && node["__base64__"] == true:
		return "base64", value, true
	case ok && node["__bytes__"] == true:
		return "bytes", value, true
	}
	return "", "", false
}

// goValue is a typed value as encoding/json reads it into Go's own types.
func goValue(kind, value string) (any, bool) {
	switch kind {
	case "datetime", "date":
		at, err := ParseTime(value)
		return at.Format(time.RFC3339Nano), err == nil
	case "decimal":
		return json.Number(value), json.Valid([]byte(value))
	case "bytes":
		return []byte(value), true
	}
	return textValue(kind, value)
}

// textValue is a typed value as a text.
func textValue(kind, value string) (any, bool) {
	switch kind {
	case "uuid":
		if len(value) != 32 {
			return value, true
		}
		return fmt.Sprintf("%s-%s-%s-%s-%s", value[:8], value[8:12], value[12:16], value[16:20], value[20:]), true
	case "base64":
		plain, err := base64.StdEncoding.DecodeString(value)
		return plain, err == nil // which is the same text in JSON
	case "datetime", "date", "time", "decimal", "bytes":
		return value, true
	}
	return nil, false
}
