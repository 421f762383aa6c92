package compare

import (
	"context"
	"encoding/json"
	"fmt"
)

// An Address is what another process needs to connect to a target as this one
// does. It has the password that is in the URL, or in the login.
type Address struct {
	Broker   string          `json:"broker"` // one of the addresses' brokers
	URL      string          `json:"url"`
	Login    json.RawMessage `json:"login,omitempty"` // of a NATS
	Replicas int             `json:"replicas,omitempty"`
	// Space is where on the broker the target keeps its things: Warren's virtual
	// host, JetStream's prefix of names, RabbitMQ's type of queues.
	Space string `json:"space"`
	// Fsync says that the server syncs before every confirm.
	Fsync bool `json:"fsync,omitempty"`
}

// The brokers of addresses.
const (
	warrenAddress    = "warren"
	jetStreamAddress = "jetstream"
	rabbitMQAddress  = "rabbitmq"
	amqpAddress      = "warren amqp"
)

// Connect opens a connection, to be closed by the caller.
func (a Address) Connect(ctx context.Context, options LoginOptions) (Conn, error) {
	target, err := a.target(options)
	if err != nil {
		return nil, err
	}
	return target.Connect(ctx)
}

// target is the target as far as connecting goes: its broker is there, and what
// it has declared is the business of the process that has started it.
func (a Address) target(options LoginOptions) (Target, error) {
	switch s := (&at{nats: NATS{URL: a.URL, Login: a.Login, Options: options}, fsync: a.Fsync}); a.Broker {
	case warrenAddress:
		return &warren{server: s, replicas: a.Replicas, vhost: a.Space}, nil
	case jetStreamAddress:
		return &jetStream{server: s, replicas: a.Replicas, prefix: a.Space, queues: make(map[string]*rawQueue), fanout: make(map[string]bool)}, nil
	case rabbitMQAddress:
		return NewRabbitMQ(a.URL, QueueType(a.Space), "")
	case amqpAddress:
		return warrenAMQPAt(a.URL, a.Fsync), nil
	}
	return nil, fmt.Errorf("connect to the broker %q: there are %s, %s, %s and %s", a.Broker, warrenAddress, amqpAddress, jetStreamAddress, rabbitMQAddress)
}

// natsAddress is the address of a target on a nats-server.
func natsAddress(broker string, s Server, replicas int, space string) Address {
	_, always := s.Sync()
	a := Address{Broker: broker, URL: s.URL(), Replicas: replicas, Space: space, Fsync: always}
	if other, is := s.(*at); is {
		a.Login = other.nats.Login
	}
	return a
}
