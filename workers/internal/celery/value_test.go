package celery

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"
)

// TestReadValue_Typed: kombu's typed values go where their plain form can be read.
func TestReadValue_Typed(t *testing.T) {
	t.Parallel()
	const (
		when    = `{"__type__":"datetime","__value__":"2030-01-02T03:04:05"}`
		id      = `{"__type__":"uuid","__value__":{"hex":"0123456789abcdef0123456789abcdef"}}`
		price   = `{"__type__":"decimal","__value__":"1.50"}`
		base64  = `{"bytes":"aGk=","__base64__":true}`
		ancient = `{"bytes":"hi","__bytes__":true}`
	)
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	type order struct {
		At    time.Time
		ID    string
		Price string
		Notes [][]byte
	}
	for text, want := range map[string]any{
		when:                               at,
		price:                              1.5,
		`[` + base64 + `,` + ancient + `]`: [][]byte{[]byte("hi"), []byte("hi")},
		id:                                 "01234567-89ab-cdef-0123-456789abcdef",
		`{"At":` + when + `,"ID":` + id + `,"Price":"2","Notes":[` + base64 + `]}`: order{at, "01234567-89ab-cdef-0123-456789abcdef", "2", [][]byte{[]byte("hi")}},
		`[` + price + `,` + when + `]`:                                             []string{"1.50", "2030-01-02T03:04:05"},
		`{"__type__":"datetime","__value__":"x","more":1}`:                         map[string]any{"__type__": "datetime", "__value__": "x", "more": 1.0},
		`{"a":{"__type__":"uuid","__value__":{"hex":"abc"}}}`:                      map[string]string{"a": "abc"},
	} {
		to := reflect.New(reflect.TypeOf(want))
		if err := ReadValue(json.RawMessage(text), to.Interface()); err != nil || !reflect.DeepEqual(to.Elem().Interface(), want) {
			t.Errorf("%s is read as %v, error %v; want %v", text, to.Elem(), err, want)
		}
	}
	for text, to := range map[string]any{
		when:                                   new(int),
		price:                                  new(time.Time),
		`{"__type__":"other","__value__":"1"}`: new(float64),
		`{"__type__":"","__value__":"1"}`:      new(string),
		`{"__type__":"uuid","__value__":{}}`:   new(string),
	} {
		if err := ReadValue(json.RawMessage(text), to); err == nil {
			t.Errorf("%s is read as %v, want it refused", text, reflect.ValueOf(to).Elem())
		}
	}
}

// TestReadValue_NumbersOfPython: what JSON has no number for goes wherever a float can be,
// and nowhere else.
func TestReadValue_NumbersOfPython(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	type box struct {
		F float32
		P *float64
		A any
	}
	for text, want := range map[string]any{
		"Infinity":        inf,
		"-Infinity":       float32(math.Inf(-1)),
		"[1, Infinity]":   []float64{1, inf},
		`{"a": Infinity}`: map[string]float64{"a": inf},
		`{"F": -Infinity, "P": Infinity, "A": [Infinity]}`: box{float32(math.Inf(-1)), &inf, []any{inf}},
		`["Infinity", "NaN"]`:                              []string{"Infinity", "NaN"},
		`["9.7060115e-0030", 0.5]`:                         []any{"9.7060115e-0030", 0.5},
	} {
		to := reflect.New(reflect.TypeOf(want))
		if err := ReadValue(ToJSON([]byte(text)), to.Interface()); err != nil || !reflect.DeepEqual(to.Elem().Interface(), want) {
			t.Errorf("%s is read as %v, error %v; want %v", text, to.Elem(), err, want)
		}
	}
	var not float32
	if err := ReadValue(ToJSON([]byte("NaN")), &not); err != nil || !math.IsNaN(float64(not)) {
		t.Errorf("NaN is read as %v, error %v", not, err)
	}
	var number json.Number
	if err := ReadValue(ToJSON([]byte("NaN")), &number); err == nil {
		t.Errorf("NaN is read as the text %q, want it refused", number)
	}
	for _, text := range []string{`[NaN,Infinity,-Infinity]`, `{"NaN":"a \" NaN","b":NaN}`, `[1.5,"NaN"]`} {
		if back := ToPython(ToJSON([]byte(text))); string(back) != text {
			t.Errorf("%s comes back as %s", text, back)
		}
	}
}

// TestExpiry_TypedTime: a time that kombu wrapped is one, and nothing else that is wrapped.
func TestExpiry_TypedTime(t *testing.T) {
	t.Parallel()
	var e Expiry
	if err := json.Unmarshal([]byte(`{"__type__":"datetime","__value__":"2030-01-02T03:04:05"}`), &e); err != nil || e.At.Hour() != 3 {
		t.Errorf("got %v, error %v", e, err)
	}
	for _, text := range []string{`{"__type__":"date","__value__":"2030-01-02"}`, `{"__value__":"2030-01-02"}`, `{"__type__":1}`, `[]`, `true`} {
		if err := json.Unmarshal([]byte(text), &e); err == nil {
			t.Errorf("%s is read as %v, want it refused", text, e)
		}
	}
}
