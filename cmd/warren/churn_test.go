package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams"
)

// churn is a process that declares, binds, unbinds and deletes the same few
// queues and exchanges as others do, until it kills itself at a random moment:
//
//	churn URL SEED
//
// It says each step before it does it, and "unexpected" of an error that is not
// one of AMQP's answers to somebody who came too late.
func churn() {
	nc, err := nats.Connect(os.Args[1])
	check(err)
	seed, err := strconv.ParseUint(os.Args[2], 10, 64)
	check(err)
	s, err := streams.Open(context.Background(), nc, streams.Config{})
	check(err)
	random := rand.New(rand.NewPCG(seed, seed))
	self, err := os.FindProcess(os.Getpid())
	check(err)
	time.AfterFunc(time.Duration(random.IntN(300_000))*time.Microsecond, func() { check(self.Kill()) })
	for {
		what, err := churnStep(s, random)
		if err != nil && !errors.Is(err, streams.ErrNotFound) {
			fmt.Fprintf(os.Stdout, "unexpected: %s: %v\n", what, err)
		}
	}
}

// The names that are fought over.
var (
	churnedQueues    = []string{"q0", "q1", "q2"}
	churnedExchanges = []string{"x0", "x1"}
)

func churnStep(s *streams.Session, random *rand.Rand) (what string, err error) {
	ctx := context.Background()
	queue := churnedQueues[random.IntN(len(churnedQueues))]
	exchange := churnedExchanges[random.IntN(len(churnedExchanges))]
	binding := streams.Binding{Exchange: exchange, Queue: queue, Key: []string{"a", "*.b", "#"}[random.IntN(3)]}
	steps := []struct {
		what string
		do   func() error
	}{
		{"declare " + queue, func() error { return declareChurned(ctx, s, queue) }},
		{"declare " + queue, func() error { return declareChurned(ctx, s, queue) }},
		{"declare " + exchange, func() error { return s.DeclareExchange(ctx, churnedExchange(exchange)) }},
		{"declare " + exchange, func() error { return s.DeclareExchange(ctx, churnedExchange(exchange)) }},
		{fmt.Sprint("bind ", binding), func() error { return s.Bind(ctx, binding) }},
		{fmt.Sprint("bind ", binding), func() error { return s.Bind(ctx, binding) }},
		{fmt.Sprint("bind ", binding), func() error { return s.Bind(ctx, binding) }},
		{fmt.Sprint("unbind ", binding), func() error { return s.Unbind(ctx, binding) }},
		{"delete " + queue, func() error { _, err := s.DeleteQueue(ctx, queue); return err }},
		{"delete " + exchange, func() error { return s.DeleteExchange(ctx, exchange) }},
	}
	step := steps[random.IntN(len(steps))]
	fmt.Fprintln(os.Stdout, step.what)
	return step.what, step.do()
}

func declareChurned(ctx context.Context, s *streams.Session, queue string) error {
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: queue, Durable: true})
	return err
}

func churnedExchange(name string) streams.Exchange {
	return streams.Exchange{Name: name, Kind: streams.Topic, Durable: true}
}

// hold is a process that has a queue and a consumer on it, for good:
//
//	hold URL QUEUE exclusive|auto-delete|exclusive-consumer
func hold() {
	nc, err := nats.Connect(os.Args[1])
	check(err)
	ctx := context.Background()
	s, err := streams.Open(ctx, nc, streams.Config{})
	check(err)
	q := streams.Queue{Name: os.Args[2], Exclusive: os.Args[3] == "exclusive", AutoDelete: os.Args[3] == "auto-delete"}
	_, err = s.DeclareQueue(ctx, q)
	check(err)
	_, err = s.Consume(ctx, q.Name, streams.ConsumeOptions{Exclusive: os.Args[3] == "exclusive-consumer"})
	check(err)
	fmt.Fprintln(os.Stdout, "holding", q.Name)
	select {}
}

// check ends a process of the test that cannot do what it is for.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stdout, "unexpected:", err)
		os.Exit(exitFailure)
	}
}
