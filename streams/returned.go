package streams

import "fmt"

// Returned is a [Mandatory] message that came back, because no queue wanted it.
// It is the cause of an [Error] of code 312, where [errors.As] finds it.
type Returned struct { //nolint:errname // it is AMQP's name of the message
	// Exchange and Key are what the message was published to and with.
	Exchange, Key string
	Message
}

func (r *Returned) Error() string {
	return fmt.Sprintf("no queue is bound to exchange '%s' for routing key '%s'", r.Exchange, r.Key)
}

func errReturned(c *Confirm) *Error {
	return errNoRoute("%w", &Returned{Exchange: c.exchange, Key: c.key, Message: c.Message()})
}
