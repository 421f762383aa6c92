package compare

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// A Choice says which targets there are to be.
type Choice struct {
	// Program is run for brokers in processes of their own.
	Program Program
	// RabbitMQ are the URLs of RabbitMQs that run already. Default: none. Of several
	// each has its product and version in its targets' names.
	RabbitMQ []string
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
		list = append(list, opener{fsyncLabel(warrenAMQP, fsync), func(ctx context.Context) (Target, error) { return NewWarrenAMQP(ctx, c.Program, fsync) }})
	}
	if c.NATS.URL != "" {
		list = append(list, onServer("nats", c.Replicas, func(context.Context) (Server, error) { return At(c.NATS), nil })...)
	}
	return append(list, c.rabbits()...)
}

// rabbits are the targets on RabbitMQs.
func (c Choice) rabbits() (list []opener) {
	for i, name := range c.rabbitNames() {
		for _, queues := range []QueueType{Classic, Quorum} {
			name := name + " " + string(queues)
			list = append(list, opener{name, func(context.Context) (Target, error) {
				return namedRabbitMQ(name, c.RabbitMQ[i], queues, c.RabbitMQRestart)
			}})
		}
	}
	return list
}

// rabbitNames are "rabbitmq", or of several what they say they are, such as
// "rabbitmq 4.3.6". Where that does not tell them apart their addresses do.
func (c Choice) rabbitNames() (names []string) {
	if len(c.RabbitMQ) == 1 {
		return []string{"rabbitmq"}
	}
	for _, url := range c.RabbitMQ {
		name := "rabbitmq " + hostOf(url) // it does not answer
		if product, version, err := greet(url); err == nil {
			name = strings.ToLower(product) + " " + version
		}
		names = append(names, name)
	}
	for i, name := range names {
		if slices.Index(names, name) < i {
			names[i] += " " + hostOf(c.RabbitMQ[i])
		}
	}
	return names
}

// hostOf is where a URL leads, without who goes there.
func hostOf(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return u.Host
	}
	return "without an address"
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

// Check refuses names that there is no target of.
func (c Choice) Check() error {
	all := c.openers()
	for _, name := range c.Names {
		if !slices.ContainsFunc(all, func(o opener) bool { return o.name == name }) {
			return noTarget(name, all)
		}
	}
	return nil
}

func noTarget(name string, all []opener) error {
	var names []string
	for _, o := range all {
		names = append(names, o.name)
	}
	return fmt.Errorf("there is no target %q; there are %s", name, strings.Join(names, ", "))
}

// Open opens the targets, each to be closed by the caller. One that is not there
// is among the missing; a name that there is none of is an error.
func (c Choice) Open(ctx context.Context) (targets []Target, missing []Missing, err error) {
	all := c.openers()
	for _, name := range c.Names {
		if !slices.ContainsFunc(all, func(o opener) bool { return o.name == name }) {
			return nil, nil, noTarget(name, all)
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
