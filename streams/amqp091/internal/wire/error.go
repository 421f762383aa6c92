package wire

import (
	"fmt"

	"warren/streams"
)

// newError makes a condition of AMQP that ends the connection.
func newError(code int, reason, format string, args ...any) error {
	return &streams.Error{Code: code, Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// frameError is bytes that are no frame, method or content header.
func frameError(format string, args ...any) error {
	return newError(501, "FRAME_ERROR", format, args...)
}

// syntaxError is a value that does not fit its place on the wire.
func syntaxError(format string, args ...any) error {
	return newError(502, "SYNTAX_ERROR", format, args...)
}
