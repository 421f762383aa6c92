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

func TestMarshal_KeepsWhatBrowsersRead(t *testing.T) {
	t.Parallel()
	if got, err := Marshal("<a&b>"); err != nil || string(got) != `"<a&b>"` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestNests(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{`[[1]]`: false, `[[[]]]`: true, `[{"a":[]}]`: true, `["[[["]`: false, `[[],[],[]]`: false} {
		if got := Nests([]byte(text), 2); got != want {
			t.Errorf("%s nests more than two deep: got %v", text, got)
		}
	}
}

func TestIsObject(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{`{}`: true, `[]`: false, ``: false, `"{"`: false} {
		if got := IsObject([]byte(text)); got != want {
			t.Errorf("%q is an object: got %v", text, got)
		}
	}
}
