package compare

import (
	"context"
	"errors"
)

// warrenAMQP is what the target on Warren's port for AMQP is called.
const warrenAMQP = "warren amqp"

// NewWarrenAMQP is Warren in a process of its own, reached as a RabbitMQ is: by the
// same program, through its port for AMQP. With fsync it syncs before every confirm.
func NewWarrenAMQP(ctx context.Context, p Program, fsync bool) (Target, error) {
	s, err := startAMQP(ctx, p, fsync)
	if err != nil {
		return nil, err
	}
	target, err := warrenAMQPOn(ctx, s)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return target, nil
}

func warrenAMQPOn(ctx context.Context, s *child) (*rabbitMQ, error) {
	f, err := natsFeatures(ctx, s, 1)
	if err != nil {
		return nil, err
	}
	if f.Broker, f.Version, err = greet(s.amqpURL); err != nil {
		return nil, err
	}
	f.Client = amqpClient()
	t := warrenAMQPAt(s.amqpURL, s.fsync)
	t.own, t.features = s, f
	return t, nil
}

// warrenAMQPAt is the target as far as connecting and declaring go.
func warrenAMQPAt(url string, fsync bool) *rabbitMQ {
	return &rabbitMQ{
		name: fsyncLabel(warrenAMQP, fsync), url: url, declared: map[string]bool{}, exchanges: map[string]bool{},
		features: Features{Classes: natsClasses(&at{fsync: fsync})},
	}
}
