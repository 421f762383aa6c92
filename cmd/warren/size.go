package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// A size is a number of bytes, as a flag: 0 is the default.
type size int64

// units are what a number of bytes may be counted in.
var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String is the size in the largest unit it is a multiple of.
func (s *size) String() string {
	for _, unit := range units {
		if *s != 0 && int64(*s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(*s)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// roundSize shows a size in three digits of the largest unit there is one of.
func roundSize(bytes int64) string {
	for _, unit := range units {
		if bytes >= unit.bytes {
			n := float64(bytes) / float64(unit.bytes) // below 1024
			digits := max(0, 3-len(strconv.Itoa(int(n))))
			text := strconv.FormatFloat(n, 'f', digits, 64)
			if digits > 0 {
				text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
			}
			return text + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}

// Type names the value in the help.
func (s *size) Type() string { return "SIZE" }

// Set reads a number of bytes, or of one of the units.
func (s *size) Set(text string) error {
	number, factor := text, int64(1)
	for _, unit := range units {
		if before, ok := strings.CutSuffix(text, unit.name); ok {
			number, factor = before, unit.bytes
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/factor {
		return errors.New("write it like 512MiB or 20GiB")
	}
	*s = size(n * factor)
	return nil
}
