package main

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// A number is one of Python's: a whole one, which has no end, or a float. What is
// made of a whole one and a float is a float. Its zero value is 0.
type number struct {
	whole   *big.Int // nil is 0
	float   float64
	isFloat bool
}

// mostDigits is how long whole numbers are read and written at most, as in Python:
// longer ones take too long.
const mostDigits = 4300

// A pythonError is what Python raises, by kind.
type pythonError struct {
	kind error
	text string
}

func (e pythonError) Error() string { return e.text }

func (e pythonError) Unwrap() error { return e.kind }

var (
	errValue    = errors.New("ValueError")
	errOverflow = errors.New("OverflowError")

	errNoNumber  = errors.New("it is no number")
	errTooLong   = pythonError{errValue, fmt.Sprintf("Exceeds the limit (%d digits) for integer string conversion", mostDigits)}
	errNotInJSON = pythonError{errValue, "Out of range float values are not JSON compliant"}
	errNoFloat   = pythonError{errOverflow, "int too large to convert to float"}
)

// special are the floats that JSON has no word for, as Go and as Python write them.
var special = map[string]string{"NaN": "nan", "+Inf": "inf", "-Inf": "-inf"}

// whole makes a whole number.
func whole(n int) number { return number{whole: big.NewInt(int64(n))} }

// parseNumber reads a number of JSON.
func parseNumber(text string) (number, error) {
	switch {
	case strings.Trim(text, "-0123456789.eE+") != "" || text == "":
		return number{}, errNoNumber
	case strings.ContainsAny(text, ".eE"):
		f, err := strconv.ParseFloat(text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return number{}, errNoNumber
		}
		return number{float: f, isFloat: true}, nil
	case len(strings.TrimPrefix(text, "-")) > mostDigits:
		return number{}, errTooLong
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return number{}, errNoNumber
	}
	return number{whole: n}, nil
}

// UnmarshalJSON reads a number.
func (n *number) UnmarshalJSON(text []byte) (err error) {
	*n, err = parseNumber(string(text))
	return err
}

// MarshalJSON writes a number so that Python reads it as what it is.
func (n number) MarshalJSON() ([]byte, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	return []byte(n.String()), nil
}

// check refuses what cannot be written.
func (n number) check() error {
	switch {
	case n.isFloat && (math.IsInf(n.float, 0) || math.IsNaN(n.float)):
		return errNotInJSON
	case !n.isFloat && tooLong(n.int()):
		return errTooLong
	}
	return nil
}

// tooLong reports whether a number has more digits than are written.
func tooLong(n *big.Int) bool {
	const bitsOfDigit = 3.33 // a bit more than there are
	return float64(n.BitLen()) > mostDigits*bitsOfDigit || len(strings.TrimPrefix(n.String(), "-")) > mostDigits
}

// String writes a number as Python prints it.
func (n number) String() string {
	if !n.isFloat {
		return n.int().String()
	}
	text := strconv.FormatFloat(n.float, 'e', -1, 64)
	if name, ok := special[text]; ok {
		return name
	}
	_, after, _ := strings.Cut(text, "e")
	if exponent, err := strconv.Atoi(after); err != nil || exponent < -4 || exponent >= 16 {
		return text
	}
	text = strconv.FormatFloat(n.float, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

func (n number) int() *big.Int {
	if n.whole == nil {
		return new(big.Int)
	}
	return n.whole
}

// real is a number as a float.
func (n number) real() (float64, error) {
	if n.isFloat {
		return n.float, nil
	}
	f, _ := n.int().Float64()
	if math.IsInf(f, 0) {
		return 0, errNoFloat
	}
	return f, nil
}

func (n number) plus(m number) (number, error) {
	return n.with(m, (*big.Int).Add, func(x, y float64) float64 { return x + y })
}

func (n number) times(m number) (number, error) {
	return n.with(m, (*big.Int).Mul, func(x, y float64) float64 { return x * y })
}

// with combines two numbers: whole ones exactly.
func (n number) with(m number, wholes func(z, x, y *big.Int) *big.Int, floats func(x, y float64) float64) (number, error) {
	if !n.isFloat && !m.isFloat {
		return number{whole: wholes(new(big.Int), n.int(), m.int())}, nil
	}
	x, err := n.real()
	if err != nil {
		return number{}, err
	}
	y, err := m.real()
	if err != nil {
		return number{}, err
	}
	return number{float: floats(x, y), isFloat: true}, nil
}
