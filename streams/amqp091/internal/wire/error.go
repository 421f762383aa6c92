package wire

import "warren/streams/internal/amqp"

// frameError is bytes that are no frame, method or content header.
func frameError(format string, args ...any) error {
	return amqp.Errorf(amqp.ErrFrame, format, args...)
}

// syntaxError is a value that does not fit its place on the wire.
func syntaxError(format string, args ...any) error {
	return amqp.Errorf(amqp.ErrSyntax, format, args...)
}
