package amqp

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxLifetime is the longest TTL that RabbitMQ takes: ten years.
const MaxLifetime = 315_360_000_000 * time.Millisecond

// Lifetime is how long the message may wait in a queue by its Expiration; false says that
// it has none, or one that is no number of milliseconds.
func (m *Message) Lifetime() (time.Duration, bool) {
	if m.Expiration == "" {
		return 0, false
	}
	d, wrong := ParseExpiration(m.Expiration)
	return d, wrong == ""
}

// CheckExpiration refuses a message whose Expiration is no number of milliseconds.
func CheckExpiration(m *Message) error {
	if m.Expiration == "" {
		return nil
	}
	if _, wrong := ParseExpiration(m.Expiration); wrong != "" {
		return Errorf(ErrPreconditionFailed, "invalid expiration '%s': %s", m.Expiration, wrong)
	}
	return nil
}

// ParseLifetime reads an argument in milliseconds, such as x-message-ttl, of at least so
// much, or says what is wrong with it in RabbitMQ's words.
func ParseLifetime(value any, least time.Duration) (d time.Duration, wrong string) {
	n, ok := Widen(value).(int64)
	switch {
	case !ok:
		return 0, fmt.Sprintf("\"expected integer, got %s\"", FieldType(value))
	case n == 0 && least > 0:
		return 0, "{value_zero,0}"
	}
	return checkLifetime(n)
}

// checkLifetime refuses a number of milliseconds that RabbitMQ refuses.
func checkLifetime(n int64) (d time.Duration, wrong string) {
	switch {
	case n < 0:
		return 0, fmt.Sprintf("{value_negative,%d}", n)
	case n > MaxLifetime.Milliseconds():
		return 0, fmt.Sprintf("{value_too_large,%d}", n)
	}
	return time.Duration(n) * time.Millisecond, ""
}

// ParseExpiration reads the property expiration as RabbitMQ does: decimal digits,
// perhaps with a sign, in milliseconds. It says what is wrong in RabbitMQ's words.
func ParseExpiration(text string) (d time.Duration, wrong string) {
	digits := strings.TrimLeft(text[min(1, len(text)):], "0123456789")
	if c := text[:min(1, len(text))]; c < "0" || c > "9" {
		if c != "+" && c != "-" || len(digits) == len(text)-1 {
			return 0, "no_integer"
		}
	}
	if digits != "" {
		return 0, fmt.Sprintf("{leftover_string,%q}", digits)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil { // more than any number of milliseconds that is taken
		number := strings.TrimLeft(text, "+-0")
		if strings.HasPrefix(text, "-") {
			return 0, fmt.Sprintf("{value_negative,-%s}", number)
		}
		return 0, fmt.Sprintf("{value_too_large,%s}", number)
	}
	return checkLifetime(n)
}
