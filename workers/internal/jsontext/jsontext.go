// Package jsontext writes JSON as the stores and queues have it, and looks at the text of
// JSON without decoding it.
package jsontext

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
)

// Marshal writes a value. It does not escape HTML: no browser reads it.
func Marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Marks are where the punctuation of JSON stands that is no part of a string, and
// how deep: a bracket is as deep as what it is of, the outermost are 1.
func Marks(text []byte) iter.Seq2[int, int] {
	return func(yield func(at, depth int) bool) {
		depth, quoted := 0, false
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case quoted && c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case quoted:
			case c == '[' || c == '{':
				depth++
				if !yield(i, depth) {
					return
				}
			case c == ',' || c == ']' || c == '}':
				if !yield(i, depth) {
					return
				}
				if c != ',' {
					depth--
				}
			}
		}
	}
}

// Nests reports whether JSON has arrays and objects in one another more than so
// many deep.
func Nests(text []byte, most int) bool {
	if len(text) <= most {
		return false
	}
	for _, depth := range Marks(text) {
		if depth > most {
			return true
		}
	}
	return false
}

// Elements are the values of a valid array of JSON, as parts of it.
func Elements(array []byte) []json.RawMessage {
	list := make([]json.RawMessage, 0, 4)
	start := 1
	for at, depth := range Marks(array) {
		if depth > 1 || array[at] == '[' {
			continue
		}
		if value := bytes.TrimSpace(array[start:at:at]); len(value) > 0 {
			list = append(list, value)
		}
		start = at + 1
	}
	return list
}

// IsObject reports whether a text of JSON is an object.
func IsObject(text []byte) bool { return len(text) > 0 && text[0] == '{' }

// Clip shortens what a message quotes.
func Clip(text []byte) string {
	const most = 60
	if len(text) <= most {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:most]), "") + "..."
}
