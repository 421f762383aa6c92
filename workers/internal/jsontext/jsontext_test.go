package jsontext

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

// FuzzElements: an array is taken apart as encoding/json does.
func FuzzElements(f *testing.F) {
	for _, text := range []string{
		`[]`, `[ ]`, `[1]`, ` [1]`, `[1 , "a,]\"" , [2,{"]":"}"}],{}, null ] `, `["\\",""]`, `["\u005d,"]`, `[[],[[]]]`, "[1\n,\t2\r]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, array []byte) {
		var want []json.RawMessage
		if !bytes.HasPrefix(array, []byte("[")) || json.Unmarshal(array, &want) != nil {
			return
		}
		if got := Elements(array); !slices.EqualFunc(got, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Errorf("%s: got %q, want %q", array, got, want)
		}
	})
}
