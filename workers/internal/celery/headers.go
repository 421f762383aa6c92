package celery

import "time"

// What headers have in place of the values of Go.

// TextOrNil is a text, or Python's None for none.
func TextOrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// TimeOrNil is a time in ISO 8601, or None for none.
func TimeOrNil(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	layout := "2006-01-02T15:04:05.000000-07:00"
	if at.Nanosecond() < int(time.Microsecond) {
		layout = "2006-01-02T15:04:05-07:00"
	}
	return at.UTC().Format(layout)
}

// SecondsOrNil is a number of seconds, an integer if it is one, or None for none.
func SecondsOrNil(d time.Duration) any {
	if d == 0 {
		return nil
	}
	if d%time.Second == 0 {
		return int64(d / time.Second)
	}
	return d.Seconds()
}

// Number reads a number of whatever type of AMQP. False says that it is none.
func Number(value any) (float64, bool) {
	switch n := value.(type) {
	case int8:
		return float64(n), true
	case uint8:
		return float64(n), true
	case int16:
		return float64(n), true
	case uint16:
		return float64(n), true
	case int32:
		return float64(n), true
	case uint32:
		return float64(n), true
	case int64:
		return float64(n), true
	case float32:
		return float64(n), true
	case float64:
		return n, n == n
	}
	return 0, false
}
