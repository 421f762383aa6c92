package compare

import (
	"context"
	"errors"
	"fmt"
)

// killedWorker kills a worker's process while it holds messages.
func killedWorker() scenario {
	return scenario{
		name:     "kill a worker",
		question: "A worker's process is killed (SIGKILL) with messages it has not acknowledged. When does another have them?",
		play:     playKilledWorker,
		why: func(a answers) string {
			at := a.with(immediately)
			switch {
			case len(at) == len(a):
				return "The broker sees the connection go with the process, and gives what it held to the next."
			case len(at) == 0:
				return "JetStream does not tie messages to a connection: they come back when the time to acknowledge them is up."
			}
			return fmt.Sprintf("With %s the broker sees the connection go with the process; JetStream does not tie messages to a connection, so with %s they come back when their time is up.",
				at.names(), a.without(immediately).names())
		},
	}
}

func playKilledWorker(ctx context.Context, t *trial) (f found, err error) {
	leased := Queue{Class: t.class(), Lease: shortLease}
	q, err := t.queueAs(ctx, leased)
	if err != nil {
		return found{}, err
	}
	if err := t.send(ctx, q, numbers(1, heldMessages)...); err != nil {
		return found{}, err
	}
	leased.Name = q
	worker, err := startHolder(holding{Address: t.target.Address(), Queue: leased, Count: heldMessages})
	if err != nil {
		return found{}, fmt.Errorf("start a worker in a process of its own: %w", err)
	}
	defer func() { err = errors.Join(err, worker.kill()) }()
	if err := worker.ready(ctx); err != nil {
		return found{}, err
	}
	return t.takeover(ctx, q, worker.kill)
}
