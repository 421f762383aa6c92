package streams

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"time"
)

// The arguments of a queue that are fields of a [Queue], too.
const (
	argExpires    = "x-expires"
	argMessageTTL = "x-message-ttl"
)

// obeyed are the arguments of a queue that mean something, in the order in which
// RabbitMQ compares them.
var obeyed = []string{argExpires, argMessageTTL}

// maxLifetime is the longest TTL that RabbitMQ takes: ten years.
const maxLifetime = 315_360_000_000 * time.Millisecond

// readArguments sets the fields that stand for arguments, and the arguments that stand
// for fields, so that both say the same.
func (q *Queue) readArguments(vhost string) error {
	if err := q.Args.Validate(); err != nil {
		return err
	}
	expires, ttl := &q.Expires, q.MessageTTL
	if q.Expires == 0 {
		expires = nil
	}
	expires, err := q.readLifetime(vhost, argExpires, expires, time.Millisecond)
	if err != nil {
		return err
	}
	if ttl, err = q.readLifetime(vhost, argMessageTTL, ttl, 0); err != nil {
		return err
	}
	q.MessageTTL = ttl
	if expires != nil {
		q.Expires = *expires
	}
	return nil
}

// readLifetime reads a time that a field gives, or an argument, or both, and no less
// than the least; nil says that neither does.
func (q *Queue) readLifetime(vhost, arg string, field *time.Duration, least time.Duration) (*time.Duration, error) {
	value, given := q.Args[arg]
	if !given && field == nil {
		return nil, nil
	}
	if !given {
		if *field%time.Millisecond != 0 {
			return nil, errPrecondition("invalid arg '%s' for queue '%s' in vhost '%s': %v is no whole number of milliseconds", arg, q.Name, vhost, *field)
		}
		value = field.Milliseconds()
		q.Args = maps.Clone(q.Args)
		if q.Args == nil {
			q.Args = Table{}
		}
		q.Args[arg] = value
	}
	d, wrong := lifetimeArgument(value, least)
	if wrong != "" {
		return nil, errPrecondition("invalid arg '%s' for queue '%s' in vhost '%s': %s", arg, q.Name, vhost, wrong)
	}
	if field != nil && *field != d {
		return nil, errPrecondition("invalid arg '%s' for queue '%s' in vhost '%s': the field says %v and the argument %v; give one", arg, q.Name, vhost, *field, d)
	}
	return &d, nil
}

// lifetimeArgument reads an argument in milliseconds, or says what is wrong with it in
// RabbitMQ's words.
func lifetimeArgument(value any, least time.Duration) (d time.Duration, wrong string) {
	n, ok := decoded(value).(int64)
	switch {
	case !ok:
		return 0, fmt.Sprintf("\"expected integer, got %s\"", fieldType(value))
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
	case n > maxLifetime.Milliseconds():
		return 0, fmt.Sprintf("{value_too_large,%d}", n)
	}
	return time.Duration(n) * time.Millisecond, ""
}

// parseExpiration reads the property expiration as RabbitMQ does: decimal digits,
// perhaps with a sign, in milliseconds.
func parseExpiration(text string) (d time.Duration, wrong string) {
	digits := strings.TrimLeft(text[min(1, len(text)):], "0123456789")
	if c := text[:min(1, len(text))]; c < "0" || c > "9" {
		if c != "+" && c != "-" || len(digits) == len(text)-1 {
			return 0, "no_integer"
		}
	}
	if digits != "" {
		return 0, fmt.Sprintf("{leftover_string,%q}", digits)
	}
	var n int64
	for _, c := range []byte(strings.TrimLeft(text, "+-0")) {
		if n > (math.MaxInt64-9)/10 {
			return 0, fmt.Sprintf("{value_too_large,%s}", strings.TrimLeft(text, "+0"))
		}
		n = n*10 + int64(c-'0')
	}
	if strings.HasPrefix(text, "-") {
		n = -n
	}
	return checkLifetime(n)
}

// fieldType is RabbitMQ's name of the type of a valid value.
func fieldType(value any) string {
	switch value.(type) {
	case bool:
		return "bool"
	case int8:
		return "byte"
	case uint8:
		return "unsignedbyte"
	case int16:
		return "short"
	case uint16:
		return "unsignedshort"
	case int32:
		return "signedint"
	case uint32:
		return "unsignedint"
	case int64, int:
		return "long"
	case float32:
		return "float"
	case float64:
		return "double"
	case Decimal:
		return "decimal"
	case string:
		return "longstr"
	case []byte:
		return "binary"
	case time.Time:
		return "timestamp"
	case Table:
		return "table"
	case []any:
		return "array"
	}
	return "void"
}
