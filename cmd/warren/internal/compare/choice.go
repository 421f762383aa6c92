package compare

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A Choice says which targets there are to be.
type Choice struct {
	// Program is run for brokers in processes of their own.
	Program Program
	// RabbitMQ is the URL of a RabbitMQ that runs already. Default: none.
	RabbitMQ string
	// NATS is a NATS that runs already. Default: none.
	NATS NATS
	// RabbitMQRestart is a command line for the shell that restarts the RabbitMQ.
	// Default: none, and no scenario restarts it.
	RabbitMQRestart string
	// Replicas is on how many servers the NATS keeps a message. Default: 1.
	Replicas int
	// Names are of the targets to open. Default: all.
	Names []string
}

// An opener opens a target.
type opener struct {
	name string
	open func(context.Context) (Target, error)
}

func (c Choice) openers() []opener {
	var list []opener
	for _, fsync := range []bool{false, true} {
		list = append(list, onServer(fsyncLabel("embedded", fsync), 1, func(context.Context) (Server, error) { return StartInside(fsync) })...)
		list = append(list, onServer(fsyncLabel("tcp", fsync), 1, func(ctx context.Context) (Server, error) { return StartChild(ctx, c.Program, fsync) })...)
	}
	if c.NATS.URL != "" {
		list = append(list, onServer("nats", c.Replicas, func(context.Context) (Server, error) { return At(c.NATS), nil })...)
	}
	if c.RabbitMQ != "" {
		for _, queues := range []QueueType{Classic, Quorum} {
			list = append(list, opener{"rabbitmq " + string(queues), func(context.Context) (Target, error) { return NewRabbitMQ(c.RabbitMQ, queues, c.RabbitMQRestart) }})
		}
	}
	return list
}

// onServer are the targets on one kind of server; each has a server of its own.
func onServer(label string, replicas int, start func(context.Context) (Server, error)) []opener {
	with := func(make func(context.Context, Server, int) (Target, error)) func(context.Context) (Target, error) {
		return func(ctx context.Context) (Target, error) {
			s, err := start(ctx)
			if err != nil {
				return nil, err
			}
			return make(ctx, s, replicas)
		}
	}
	return []opener{{"warren " + label, with(NewWarren)}, {"jetstream " + label, with(NewJetStream)}}
}

// TargetNames are those there are to choose from.
func (c Choice) TargetNames() (names []string) {
	for _, o := range c.openers() {
		names = append(names, o.name)
	}
	return names
}

// Open opens the targets, each to be closed by the caller. One that is not there
// is among the missing; a name that there is none of is an error.
func (c Choice) Open(ctx context.Context) (targets []Target, missing []Missing, err error) {
	all := c.openers()
	for _, name := range c.Names {
		if !slices.Contains(c.TargetNames(), name) {
			return nil, nil, fmt.Errorf("there is no target %q; there are %s", name, strings.Join(c.TargetNames(), ", "))
		}
	}
	if len(c.Names) > 0 {
		all = slices.DeleteFunc(all, func(o opener) bool { return !slices.Contains(c.Names, o.name) })
	}
	for _, o := range all {
		t, err := o.open(ctx)
		if ctx.Err() != nil && err != nil {
			return targets, missing, ctx.Err()
		}
		if err != nil {
			missing = append(missing, Missing{What: o.name, Why: err.Error()})
			continue
		}
		targets = append(targets, t)
	}
	return targets, missing, nil
}
