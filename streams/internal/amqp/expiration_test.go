package amqp

import (
	"fmt"
	"math/big"
	"regexp"
	"testing"
	"time"
)

// FuzzExpiration reads the property as arithmetic does.
func FuzzExpiration(f *testing.F) {
	for _, text := range []string{
		"0", "1", "60000", "007", "+5", "-0", "-1", "", " 5", "5 ", "1.5", "x", "5x", "+", "-", "--1", "+-1",
		"315360000000", "315360000001", "99999999999999999999999", "9223372036854775807", "9223372036854775808", "-9223372036854775805", "-9223372036854775809", "+09223372036854775808", "٣",
	} {
		f.Add(text)
	}
	number := regexp.MustCompile(`^[+-]?[0-9]+$`)
	f.Fuzz(func(t *testing.T, text string) {
		d, wrong := ParseExpiration(text)
		if !number.MatchString(text) {
			if wrong == "" {
				t.Errorf("%q: got %v, want a refusal", text, d)
			}
			return
		}
		n, _ := new(big.Int).SetString(text, 10)
		allowed := n.Sign() >= 0 && n.Cmp(big.NewInt(MaxLifetime.Milliseconds())) <= 0
		switch {
		case allowed != (wrong == ""):
			t.Errorf("%q: got %v, %q", text, d, wrong)
		case allowed && d.Milliseconds() != n.Int64():
			t.Errorf("%q: got %v", text, d)
		case !allowed && n.Sign() < 0 && wrong != fmt.Sprintf("{value_negative,%s}", n),
			!allowed && n.Sign() > 0 && wrong != fmt.Sprintf("{value_too_large,%s}", n):
			t.Errorf("%q: got %q", text, wrong)
		}
	})
}

// TestExpiration_TenYears: RabbitMQ takes ten years of 365 days, and no millisecond more.
func TestExpiration_TenYears(t *testing.T) {
	t.Parallel()
	if d, wrong := ParseExpiration("315360000000"); d != 3650*24*time.Hour || wrong != "" {
		t.Errorf("got %v, %q", d, wrong)
	}
	const want = "{value_too_large,315360000001}"
	if _, wrong := ParseExpiration("315360000001"); wrong != want {
		t.Errorf("got %q, want %q", wrong, want)
	}
}
