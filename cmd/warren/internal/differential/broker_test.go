package differential

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/streams"
)

// A broker is what the tests need of AMQP, in the words of package streams.
// Warren, RabbitMQ and the model are brokers.
type broker interface {
	declareExchange(x streams.Exchange) error
	checkExchange(name string) error
	deleteExchange(name string, ifUnused bool) error

	declareQueue(q streams.Queue) (count, error)
	checkQueue(name string) (count, error)
	purgeQueue(name string) (int, error)
	deleteQueue(name string, ifUnused, ifEmpty bool) (int, error)

	bind(b streams.Binding) error
	unbind(b streams.Binding) error

	// publish publishes messages to one exchange, in order, and says for each
	// what became of it; nothing comes after the first that was refused.
	publish(exchange string, posts []post) []error

	// get takes one message; nil says that none is ready.
	get(queue string, autoAck bool) (*delivery, error)
	consume(queue string, o consuming) (consumer, error)
}

// A client is a broker as one connection to it: what a test can close.
type client interface {
	broker
	close() error
}

// count is what a queue holds, as declaring it tells.
type count struct {
	name             string
	ready, consumers int
}

func (n count) String() string {
	return fmt.Sprintf("%q, %d ready, %d consumers", n.name, n.ready, n.consumers)
}

// A post is a message on its way to an exchange.
type post struct {
	key       string
	mandatory bool
	streams.Message
}

// consuming is how a consumer consumes.
type consuming struct {
	prefetch  int
	autoAck   bool
	exclusive bool
	tag       string
}

// A consumer receives messages until it is cancelled.
type consumer interface {
	// next waits for the next message; nil says that none came in time.
	next(wait time.Duration) *delivery
	cancel() error
	// cancelled is closed when the broker has cancelled the consumer.
	cancelled() <-chan struct{}
}

// A delivery is a message in the hands of a test.
type delivery struct {
	exchange, key string
	streams.Message
	redelivered bool
	// behind is how many messages were ready behind one taken by get.
	behind int
	settle func(v verdict, multiple bool) error
}

// verdict is what is said of a delivery.
type verdict int

const (
	ack verdict = iota
	drop
	reject
	requeue
	rejectRequeue
	hold // nothing is said of it yet
)

func (v verdict) String() string {
	return [...]string{"ack", "nack", "reject", "nack and requeue", "reject and requeue", "hold"}[v]
}

// code is AMQP's reply code of an error: 0 of none, -1 of one that AMQP does not
// know.
func code(err error) int {
	var warren *streams.Error
	var rabbit *amqp.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &warren):
		return warren.Code
	case errors.As(err, &rabbit):
		return rabbit.Code
	}
	return -1
}

// say is an outcome in words: an error's code, or else what the words say.
func say(err error, format string, args ...any) string {
	switch n := code(err); n {
	case 0:
		return fmt.Sprintf(format, args...)
	case -1:
		return "broken: " + err.Error()
	default:
		return fmt.Sprint(n)
	}
}

// patience bounds everything that must happen soon.
const patience = 20 * time.Second
