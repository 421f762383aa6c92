package amqp091

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// newError makes a condition of AMQP.
func newError(code int, reason, format string, args ...any) *streams.Error {
	return &streams.Error{Code: code, Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// channelCodes are the conditions that close the channel and not the connection.
var channelCodes = map[int]bool{311: true, 312: true, 313: true, 403: true, 404: true, 405: true, 406: true}

// fatal is an error that closes the connection whatever its code.
type fatal struct{ reason *streams.Error }

func (f fatal) Error() string { return f.reason.Error() }
func (f fatal) Unwrap() error { return f.reason }

// blamed is an error that closes the connection, and the method that it is of.
type blamed struct {
	err    error
	method wire.ID
}

func (b blamed) Error() string { return b.err.Error() }
func (b blamed) Unwrap() error { return b.err }

// causeOf is the method that an error is of; zero for none.
func causeOf(err error) wire.ID {
	var b blamed
	_ = errors.As(err, &b)
	return b.method
}

// connectionError makes a condition that closes the connection.
func connectionError(code int, reason, format string, args ...any) error {
	return fatal{newError(code, reason, format, args...)}
}

// notImplemented is what Warren does not have yet. It closes the channel.
func notImplemented(format string, args ...any) error {
	return newError(540, "NOT_IMPLEMENTED", format, args...)
}

// condition is the condition of AMQP that an error is, and whether the connection
// ends with it.
func condition(err error) (e *streams.Error, hard bool) {
	var f fatal
	if errors.As(err, &f) {
		return f.reason, true
	}
	if errors.As(err, &e) {
		return e, !channelCodes[e.Code] && e.Code != 540
	}
	return newError(541, "INTERNAL_ERROR", "%v", err), true
}

// maxText is how long the text of a close may be, which is a short string.
const maxText = 255

// replyText is the text of a close: one line, cut as RabbitMQ cuts it.
func replyText(e *streams.Error) string {
	text := e.Reason
	if e.Detail != "" {
		text += " - " + e.Detail
	}
	text = strings.NewReplacer("\r", " ", "\n", " ").Replace(text)
	if len(text) <= maxText {
		return text
	}
	const more = "..."
	end := maxText - len(more)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}
