package workers

import (
	"bytes"
	"encoding/json"
	"iter"
)

// marks are where the punctuation of JSON stands that is no part of a string, and
// how deep: a bracket is as deep as what it is of, the outermost are 1.
func marks(text []byte) iter.Seq2[int, int] {
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

// nests reports whether JSON has arrays and objects in one another more than so
// many deep.
func nests(text []byte, most int) bool {
	if len(text) <= most {
		return false
	}
	for _, depth := range marks(text) {
		if depth > most {
			return true
		}
	}
	return false
}

// elements are the values of a valid array of JSON, as parts of it.
func elements(array []byte) []json.RawMessage {
	list := make([]json.RawMessage, 0, 4)
	start := 1
	for at, depth := range marks(array) {
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
