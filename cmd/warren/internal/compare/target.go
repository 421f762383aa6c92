// Package compare runs the same exercises on several brokers, says what each did
// and measures how fast it was.
//
// A [Target] is a broker as an exercise needs it: exchanges, queues, publishing
// with confirms, consuming with a prefetch and acks. A scenario asks what a target
// does, a workload how fast it does it; both fill a [Report], which knows nothing
// of brokers and is written as a table, as JSON, for benchstat or as a page.
package compare

import (
	"context"
	"errors"
	"time"
)

// A Class is what a message survives once it is confirmed. Two targets are only
// ever compared within one class.
type Class string

const (
	// D0 survives nothing: held in memory.
	D0 Class = "D0"
	// D1 survives the broker's process being killed: written, not synced.
	D1 Class = "D1"
	// D2 survives a power cut on one node: synced before it is confirmed.
	D2 Class = "D2"
)

// Kind is a kind of exchange, by its AMQP name.
type Kind string

// The kinds of exchanges.
const (
	Direct  Kind = "direct"
	Fanout  Kind = "fanout"
	Topic   Kind = "topic"
	Headers Kind = "headers"
)

// ErrNotOffered says that a target has no such thing, which is an answer and no
// failure: the report says so.
var ErrNotOffered = errors.New("not offered")

// A Target is one broker, or one way of using it.
type Target interface {
	// Name is short and unique in a run, such as "rabbitmq classic".
	Name() string
	Features() Features
	// Connect opens a connection of its own, to be closed by the caller.
	Connect(ctx context.Context) (Conn, error)
	// Address is what another process needs to connect as this one does.
	Address() Address
	// Usage is what the broker has used until now; false says that it cannot be
	// seen, as that of a broker on another machine.
	Usage(ctx context.Context) (Usage, bool)
	// Traffic is what went over its connections until now.
	Traffic() Traffic
	// Restart stops the broker, cleanly or not, and starts it on the same data.
	// Connections find it again, and a receiver's messages may come again.
	// A broker that is not ours to restart gives [ErrNotOffered].
	Restart(ctx context.Context, kill bool) error
	// Close stops what the target itself has started and removes what it declared.
	Close() error
}

// Features says what a target is and what it guarantees.
type Features struct {
	Broker    string `json:"broker"`    // such as "RabbitMQ" or "nats-server"
	Version   string `json:"version"`   // the broker's own
	Client    string `json:"client"`    // the library in between, with its version
	Transport string `json:"transport"` // "in process" or "TCP"
	// Classes are the durability classes it can be measured in, and for each how
	// it gets there: "durable queue, persistent messages, fsync before the confirm".
	Classes map[Class]string `json:"classes"`
	// Sync says when the broker syncs its files, in its own words.
	Sync string `json:"sync"`
	// Replicas is how many servers hold a message.
	Replicas int `json:"replicas"`
	// Lease is how long what a dead consumer held stays away when a queue does
	// not say so, 0 if the broker sees it go.
	Lease time.Duration `json:"lease_ns,omitempty"`
	// MaxBytes is the largest message it takes, 0 if that is not known.
	MaxBytes int64 `json:"max_bytes,omitempty"`
}

// Usage is what a broker's process has used.
type Usage struct {
	CPU    time.Duration `json:"cpu_ns"` // since it started
	Memory int64         `json:"memory"` // resident bytes
	Shared bool          `json:"shared"` // the process is also the client's
}

// A Conn is one connection to a target. Its methods may be called side by side.
// What has no place in a target gives [ErrNotOffered].
type Conn interface {
	DeclareExchange(ctx context.Context, x Exchange) error
	// DeclareQueue declares a queue and gives back its name, which the broker
	// chooses if it is empty.
	DeclareQueue(ctx context.Context, q Queue) (string, error)
	Bind(ctx context.Context, queue, exchange, key string) error
	Unbind(ctx context.Context, queue, exchange, key string) error
	DeleteQueue(ctx context.Context, queue string) error
	DeleteExchange(ctx context.Context, exchange string) error
	// Ready is how many messages of a queue are with nobody.
	Ready(ctx context.Context, queue string) (int, error)
	// Unsettled is how many messages of a queue are with nobody, or held.
	Unsettled(ctx context.Context, queue string) (int, error)
	// Publisher publishes with confirms, at most window of them outstanding.
	Publisher(ctx context.Context, window int) (Publisher, error)
	// Consume gives deliveries to handle, one after another, until stop is called;
	// stop waits for the one that is running. Prefetch bounds what is unsettled.
	// What was handled and is not settled can be, until the connection closes.
	Consume(ctx context.Context, queue string, prefetch int, handle func(Delivery)) (stop func() error, err error)
	Close() error
}

// Exchange is an exchange to declare.
type Exchange struct {
	Name    string
	Kind    Kind
	Durable bool
}

// Queue is a queue to declare, in the class that its messages are to have.
type Queue struct {
	Name      string // empty: the broker chooses
	Class     Class
	Exclusive bool // gone with its connection
	// Transient queues are gone when the broker restarts, where that is not a
	// matter of the class.
	Transient bool
	// Lease is how long what a dead consumer held stays away, where the broker
	// does not see it go. 0: as long as the target has it.
	Lease time.Duration
}

// Message is a message to publish.
type Message struct {
	ID    string // comes back with the delivery; empty: none
	Class Class  // D0: transient; else persistent
	Body  []byte
	// Mandatory asks for the message back when no queue takes it.
	Mandatory bool
}

// ErrUnroutable is the outcome of a mandatory message that no queue took.
var ErrUnroutable = errors.New("unroutable")

// A Publisher publishes on one connection.
type Publisher interface {
	// Publish sends a message, once the window has room, and calls confirmed when
	// the broker has answered: with nil when it is responsible for the message. It
	// is called in the order of publishing, one at a time, and must not block.
	// The empty exchange goes to the queue named by the key. What is wrong before
	// anything is sent is returned, and confirmed is not called.
	Publish(ctx context.Context, exchange, key string, m Message, confirmed func(error)) error
	// Close waits until everything is answered; a refusal was told to confirmed, and
	// is no error of Close.
	Close(ctx context.Context) error
}

// A Delivery is a message on its way to a consumer. It is settled once.
type Delivery interface {
	Message() Message
	Redelivered() bool
	Ack() error
	// Requeue gives the message back.
	Requeue() error
}
