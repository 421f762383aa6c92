package main

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
)

// TestNumber_AsPython: what Python 3.11 says of the same sums and products.
func TestNumber_AsPython(t *testing.T) {
	t.Parallel()
	huge := "1" + strings.Repeat("0", 400)
	tests := []struct{ x, op, y, want string }{
		{"1", "+", "1", "2"},
		{"9223372036854775807", "+", "1", "9223372036854775808"},
		{"-9223372036854775808", "+", "-1", "-9223372036854775809"},
		{"4611686018427387904", "*", "4", "18446744073709551616"},
		{"10000000000000", "*", "100000000", "1000000000000000000000"},
		{"1", "+", "2.5", "3.5"},
		{"2", "*", "3.0", "6.0"},
		{"0.1", "+", "0.2", "0.30000000000000004"},
		{"-0", "+", "0", "0"},
		{"0", "+", "-0.0", "0.0"},
		{"-0.0", "*", "1", "-0.0"},
		{"1e22", "+", "0", "1e+22"},
		{"1e15", "+", "0", "1000000000000000.0"},
		{"1e16", "+", "0", "1e+16"},
		{"0.0001", "*", "1", "0.0001"},
		{"0.00001", "*", "1", "1e-05"},
		{"9223372036854775808", "+", "0.5", "9.223372036854776e+18"},
		{"1e308", "*", "10", "Out of range float values are not JSON compliant"},
		{"1e400", "*", "0", "Out of range float values are not JSON compliant"},
		{huge, "+", "1", huge[:400] + "1"},
		{huge, "+", "0.5", "int too large to convert to float"},
		{strings.Repeat("9", 4300), "+", "1", "Exceeds the limit (4300 digits) for integer string conversion"},
		{strings.Repeat("9", 4301), "+", "1", "Exceeds the limit (4300 digits) for integer string conversion"},
		{"true", "+", "1", "it is no number"},
		{`"1"`, "+", "1", "it is no number"},
		{"null", "+", "1", "it is no number"},
	}
	for _, test := range tests {
		if got := calculate(test.x, test.op, test.y); got != test.want {
			t.Errorf("%.30s %s %.30s: got %.80s, want %.80s", test.x, test.op, test.y, got, test.want)
		}
	}
}

// calculate gives a result as JSON, or why there is none.
func calculate(x, op, y string) string {
	a, err := parseNumber(x)
	if err != nil {
		return err.Error()
	}
	b, err := parseNumber(y)
	if err != nil {
		return err.Error()
	}
	how := number.plus
	if op == "*" {
		how = number.times
	}
	c, err := how(a, b)
	if err != nil {
		return err.Error()
	}
	text, err := c.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// FuzzNumber: what is a number in JSON is read, is written as the same value and of
// the same kind, and nothing else is read.
func FuzzNumber(f *testing.F) {
	for _, text := range []string{"0", "-1", "1.5", "1e22", "-0", "-0.0", "NaN", "1_0", "0x1p2", "+1", "1e999", strings.Repeat("9", 100)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var n number
		err := json.Unmarshal([]byte(text), &n)
		var oracle json.Number
		// encoding/json reads a text that is a number, and null, into a Number, too.
		if wrong := json.Unmarshal([]byte(text), &oracle); wrong != nil || strings.ContainsAny(text, `"n`) {
			if err == nil {
				t.Fatalf("%q was read as %v", text, n)
			}
			return
		}
		if len(text) > mostDigits {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		written, err := json.Marshal(n)
		if err != nil {
			if !math.IsInf(n.float, 0) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if !sameNumber(string(oracle), string(written)) {
			t.Fatalf("%q was written as %s", text, written)
		}
	})
}

// sameNumber reports whether two texts are the same number of Python's.
func sameNumber(a, b string) bool {
	x, isWhole := new(big.Int).SetString(a, 10)
	y, isWholeToo := new(big.Int).SetString(b, 10)
	if isWhole || isWholeToo {
		return isWhole && isWholeToo && x.Cmp(y) == 0
	}
	f, _ := strconv.ParseFloat(a, 64)
	g, _ := strconv.ParseFloat(b, 64)
	return f == g && math.Signbit(f) == math.Signbit(g)
}
