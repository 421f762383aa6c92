package amqp

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// everyType has a field of each type there is.
func everyType() Table {
	return Table{
		"bool": true, "no": false, "void": nil,
		"int8": int8(-1), "uint8": uint8(255), "int16": int16(-2), "uint16": uint16(65535),
		"int32": int32(math.MinInt32), "uint32": uint32(math.MaxUint32), "int64": int64(math.MinInt64),
		"float32": float32(0.1), "float64": math.SmallestNonzeroFloat64,
		"decimal": Decimal{2, -314}, "string": "größe\x00\xff", "bytes": []byte{0, 255}, "none": []byte{},
		"time": time.Unix(1700000000, 0).UTC(), "long ago": time.Time{},
		"table": Table{"in": Table{}}, "array": []any{int8(1), "a", []any{}, nil, Table{"b": true}},
		"": "no name",
	}
}

func TestTableRoundTrip(t *testing.T) {
	t.Parallel()
	want := everyType()
	encoded, err := want.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseTable(string(encoded))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v, want %#v", got, err, want)
	}
	for range 10 {
		if again, _ := everyType().AppendBinary([]byte("x")); !bytes.Equal(again[1:], encoded) {
			t.Fatalf("the same table gave %q and %q", again[1:], encoded)
		}
	}
}

func TestTableEncoding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		want  string
	}{
		{true, "t\x01"}, {int8(-1), "b\xff"}, {uint8(1), "B\x01"}, {int16(-2), "s\xff\xfe"}, {uint16(2), "u\x00\x02"},
		{int32(3), "I\x00\x00\x00\x03"}, {uint32(3), "i\x00\x00\x00\x03"},
		{int64(4), "l\x00\x00\x00\x00\x00\x00\x00\x04"}, {4, "l\x00\x00\x00\x00\x00\x00\x00\x04"},
		{float32(1), "f\x3f\x80\x00\x00"}, {1.0, "d\x3f\xf0\x00\x00\x00\x00\x00\x00"},
		{Decimal{1, 5}, "D\x01\x00\x00\x00\x05"}, {"hi", "S\x00\x00\x00\x02hi"}, {[]byte("hi"), "x\x00\x00\x00\x02hi"},
		{time.Unix(1, 999), "T\x00\x00\x00\x00\x00\x00\x00\x01"}, {nil, "V"},
		{Table{"a": nil}, "F\x00\x00\x00\x03\x01aV"}, {[]any{nil, true}, "A\x00\x00\x00\x03Vt\x01"},
	} {
		got, err := Table{"k": c.value}.AppendBinary(nil)
		want := "\x00\x00\x00" + string(byte(len(c.want)+2)) + "\x01k" + c.want
		if err != nil || string(got) != want {
			t.Errorf("%T %v: got %q, %v, want %q", c.value, c.value, got, err, want)
		}
	}
	if got, err := parseTable("\x00\x00\x00\x0b\x01kL\xff\xff\xff\xff\xff\xff\xff\xff"); err != nil || got["k"] != int64(-1) {
		t.Errorf("an L is read as %v, %v, want -1", got, err)
	}
}

func TestTableValidateNamesTheField(t *testing.T) {
	t.Parallel()
	deep := Table{}
	for range maxDepth + 1 {
		deep = Table{"d": deep}
	}
	for _, c := range []struct {
		table Table
		want  string // in the error; empty for none
	}{
		{nil, ""},
		{everyType(), ""},
		{deep["d"].(Table), ""},
		{Table{"a": uint64(1)}, "'a' is of type uint64"},
		{Table{"a": Table{"b": []any{1, struct{}{}}}}, "'a.b[1]'"},
		{Table{"a": []any{[]any{Table{"c": uint(1)}}}}, "'a[0][0].c'"},
		{Table{"a": map[string]any{}}, "'a' is of type map"},
		{Table{"a": math.NaN()}, "'a' is NaN"},
		{Table{"a": float32(math.Inf(1))}, "'a' is +Inf"},
		{Table{strings.Repeat("k", 256): 1}, "'kkkk"},
		{Table{strings.Repeat("k", 255): 1}, ""},
		{deep, "deeper than 32"},
	} {
		err := c.table.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80v: got error %v, want %q", c.table, err, c.want)
		}
	}
}

func TestParseTableRefusesGarbage(t *testing.T) {
	t.Parallel()
	deep := Table{}
	for range maxDepth {
		deep = Table{"d": deep}
	}
	if _, err := parseTable(string(appendFields(nil, deep))); err != nil {
		t.Errorf("%d tables in a table: %v", maxDepth, err)
	}
	deeper := appendFields(nil, Table{"a": []any{deep}})
	for _, garbage := range []string{
		"", "\x00", "\x00\x00\x00\x01", "\x00\x00\x00\x00x", "\x00\x00\x00\x01\x05",
		"\x00\x00\x00\x03\x01a?", "\x00\x00\x00\x02\x01a", "\xff\xff\xff\xff\x01aV",
		"\x00\x00\x00\x07\x01aS\xff\xff\xff\xff", "\x00\x00\x00\x07\x01af\x7f\xc0\x00\x00", string(deeper),
	} {
		if got, err := parseTable(garbage); err == nil {
			t.Errorf("%q is read as %v", garbage, got)
		}
	}
}

func TestEqualTables(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b Table
		want bool
	}{
		{nil, Table{}, true},
		{Table{"a": 1}, nil, false},
		{Table{"a": nil}, Table{"b": nil}, false},
		{Table{"a": int8(1)}, Table{"a": int64(1)}, true},
		{Table{"a": uint32(1)}, Table{"a": 1}, true},
		{Table{"a": 1}, Table{"a": 2}, false},
		{Table{"a": 1}, Table{"a": "1"}, false},
		{Table{"a": 1}, Table{"a": 1.0}, false},
		{Table{"a": float32(1)}, Table{"a": 1.0}, true},
		{Table{"a": "b"}, Table{"a": []byte("b")}, false},
		{Table{"a": time.Unix(1, 5)}, Table{"a": time.Unix(1, 0).UTC()}, true},
		{Table{"a": time.Unix(1, 0)}, Table{"a": 1}, false},
		{Table{"a": Decimal{1, 2}}, Table{"a": Decimal{1, 2}}, true},
		{Table{"a": []any{1}}, Table{"a": []any{int64(1)}}, true},
		{Table{"a": []any{1}}, Table{"a": []any{int8(1)}}, false},
		{Table{"a": Table{"b": 1}}, Table{"a": Table{"b": 1}}, true},
		{Table{"a": Table{"b": 1}}, Table{"a": []any{1}}, false},
	} {
		if got := Equivalent(c.a, c.b); got != c.want {
			t.Errorf("%v equals %v: %v, want %v", c.a, c.b, got, c.want)
		}
		if got := Equivalent(c.b, c.a); got != c.want {
			t.Errorf("%v equals %v: %v, want %v", c.b, c.a, got, c.want)
		}
	}
}

func TestTableJSON(t *testing.T) {
	t.Parallel()
	type record struct {
		Args Table `json:"args,omitempty"`
		More Table `json:"more"`
	}
	for _, want := range []record{{}, {More: Table{}}, {everyType(), Table{"a": int8(1)}}} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got := record{More: Table{"left": "over"}}
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %v, %v, want %v", text, got, err, want)
		}
	}
	if _, err := json.Marshal(Table{"a": uint64(1)}); err == nil {
		t.Error("a table AMQP does not have is marshalled")
	}
	for _, text := range []string{`1`, `"?"`, `"AAAA"`} {
		if err := json.Unmarshal([]byte(text), &Table{}); err == nil {
			t.Errorf("%s is read as a table", text)
		}
	}
}

func FuzzTable(f *testing.F) {
	seed, _ := everyType().AppendBinary(nil)
	f.Add(seed)
	f.Add([]byte("\x00\x00\x00\x0b\x01kL\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x00\x00\x06\x01kt\x02\x00V"))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := parseTable(string(b))
		if err != nil {
			return
		}
		encoded, err := table.AppendBinary(nil)
		if err != nil || len(encoded) > len(b) {
			t.Fatalf("%q is read as %v and written as %q, %v", b, table, encoded, err)
		}
		again, err := parseTable(string(encoded))
		if err != nil || !reflect.DeepEqual(again, table) || !Equivalent(again, table) {
			t.Fatalf("%v came back as %v, %v", table, again, err)
		}
		if stable, err := again.AppendBinary(nil); err != nil || !bytes.Equal(stable, encoded) {
			t.Fatalf("%v is written as %q and %q, %v", table, encoded, stable, err)
		}
		text, err := json.Marshal(table)
		if err != nil {
			t.Fatal(err)
		}
		var back Table
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, table) {
			t.Fatalf("%v came back from JSON as %v, %v", table, back, err)
		}
	})
}
