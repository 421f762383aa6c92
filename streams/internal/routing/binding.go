package routing

import "warren/streams/internal/amqp"

// Kind is the type of an exchange: how it chooses the queues of a message.
type Kind string

// The types of exchange AMQP has.
const (
	Direct  Kind = "direct"  // the routing key is the binding key
	Fanout  Kind = "fanout"  // every message
	Topic   Kind = "topic"   // the routing key matches the binding key, word by word
	Headers Kind = "headers" // the headers meet the arguments of the binding
)

// maxHashes is how many '#' words a binding key may have; more make matching
// slow, and RabbitMQ refuses them too.
const maxHashes = 2

// Binding is what routing reads of a binding: the binding key and the arguments, which only
// a headers exchange reads.
type Binding struct {
	Key  string
	Args amqp.Table
}

// checkBindingKey refuses binding keys that no exchange of the kind takes.
func checkBindingKey(kind Kind, key string) error {
	if err := amqp.CheckKey(key); err != nil {
		return err
	}
	if n := countHashes(key); kind == Topic && n > maxHashes {
		return amqp.Errorf(amqp.ErrPreconditionFailed, "binding key '%s' has %d '#' words, more than %d", key, n, maxHashes)
	}
	return nil
}

// CheckBinding refuses what no exchange of the kind can be bound with.
func CheckBinding(kind Kind, b Binding) error {
	if err := checkBindingKey(kind, b.Key); err != nil {
		return err
	}
	if err := b.Args.Validate(); err != nil {
		return err
	}
	if kind == Headers {
		return checkCriteria(b.Args)
	}
	return nil
}
