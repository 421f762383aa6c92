package celery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"

	"warren/workers/internal/jsontext"
)

// Python writes and reads NaN and the infinities, which JSON does not have. Where a
// message is read they become numbers that no encoder writes so, and where one is
// written these become what they were.

// A notNumber is one of them: as Python writes it, as it is kept, and what it is.
type notNumber struct {
	python, kept string
	value        float64
}

// keptSign is in all that is kept.
const keptSign = "e-0030"

var notNumbers = []notNumber{
	{"NaN", "8.7060114e-0030", math.NaN()},
	{"Infinity", "9.7060115e-0030", math.Inf(1)},
	{"-Infinity", "-9.7060115e-0030", math.Inf(-1)},
}

// ToJSON makes JSON of what Python wrote.
func ToJSON(text []byte) []byte {
	return swapWords(text, func(n notNumber) (from, to string) { return n.python, n.kept }, "NaN", "Infinity")
}

// ToPython makes what Python reads of JSON.
func ToPython(text []byte) []byte {
	return swapWords(text, func(n notNumber) (from, to string) { return n.kept, n.python }, keptSign)
}

// swapWords swaps words outside of strings; most texts have not even a sign of one.
func swapWords(text []byte, way func(notNumber) (from, to string), signs ...string) []byte {
	if !slices.ContainsFunc(signs, func(sign string) bool { return bytes.Contains(text, []byte(sign)) }) {
		return text
	}
	var swapped []byte
	for len(text) > 0 {
		n := token(text)
		swapped = append(swapped, swap(text[:n], way)...)
		text = text[n:]
	}
	return swapped
}

func swap(word []byte, way func(notNumber) (from, to string)) []byte {
	for _, n := range notNumbers {
		if from, to := way(n); string(word) == from {
			return []byte(to)
		}
	}
	return word
}

// token is the length of the string, the word or the byte that a text begins with.
func token(text []byte) int {
	const ends = "\"[]{},: \t\r\n"
	if text[0] == '"' {
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return len(text)
	}
	if n := bytes.IndexAny(text, ends); n >= 0 {
		return max(n, 1)
	}
	return len(text)
}

// restoreNumbers makes what was kept of such numbers what they were, in a value that
// was read from a text. The error says that the value has no place for them.
func restoreNumbers(text []byte, value any) error {
	want := 0
	for rest := text; len(rest) > 0; {
		n := token(rest)
		if len(swap(rest[:n], func(n notNumber) (from, to string) { return n.kept, "" })) == 0 {
			want++
		}
		rest = rest[n:]
	}
	if got := restore(reflect.ValueOf(value).Elem()); got != want {
		return fmt.Errorf("it has %s, which a %T cannot hold", jsontext.Clip(ToPython(text)), reflect.ValueOf(value).Elem().Interface())
	}
	return nil
}

// restore counts the numbers that it restores.
func restore(v reflect.Value) (count int) {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if f, ok := wasKept(v.Float(), v.Kind()); ok && v.CanSet() {
			v.SetFloat(f)
			return 1
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return restore(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			count += restore(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			count += restore(v.Field(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			count += restoreCopy(v.MapIndex(key), func(now reflect.Value) { v.SetMapIndex(key, now) })
		}
	case reflect.Interface:
		if !v.IsNil() && v.CanSet() {
			return restoreCopy(v.Elem(), v.Set)
		}
	}
	return count
}

// restoreCopy restores what cannot be changed where it is.
func restoreCopy(v reflect.Value, set func(reflect.Value)) int {
	if !v.CanInterface() {
		return 0
	}
	now := reflect.New(v.Type()).Elem()
	now.Set(v)
	count := restore(now)
	if count > 0 {
		set(now)
	}
	return count
}

// wasKept finds what a number stands for.
func wasKept(f float64, kind reflect.Kind) (float64, bool) {
	for _, n := range notNumbers {
		kept, _ := json.Number(n.kept).Float64()
		if kind == reflect.Float32 {
			kept = float64(float32(kept))
		}
		if f == kept {
			return n.value, true
		}
	}
	return 0, false
}
