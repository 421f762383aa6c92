package compare

import (
	"context"
	"errors"
	"fmt"
)

const keptAfterUnbind = "held: 1, 2; then: 3, 4"

// unbinding unbinds a queue that has messages, some of them with a consumer.
func unbinding() scenario {
	return scenario{
		name:     "unbind",
		question: "A queue has four messages, two of them with a consumer, when it is unbound; a fifth is published then. Which are still delivered?",
		play:     playUnbinding,
		why: func(a answers) string {
			kept, others := a.with(keptAfterUnbind), a.without(keptAfterUnbind)
			switch {
			case len(others) == 0:
				return "Unbinding ends what comes in, and takes nothing away that is in the queue."
			case a.same():
				return "All of them did the same to messages in the queue, and not what AMQP asks for."
			case len(kept) == 0:
				return "None of them did what AMQP asks for, each in its own way."
			}
			return fmt.Sprintf("With %s a message in the queue is the queue's; a binding of %s is what holds the messages, so they go with it.",
				kept.names(), others.names())
		},
	}
}

func playUnbinding(ctx context.Context, t *trial) (found, error) {
	x, err := t.exchange(ctx, Direct)
	if err != nil {
		return found{}, err
	}
	q, err := t.bound(ctx, x, "key")
	if err != nil {
		return found{}, err
	}
	if err := t.publish(ctx, x, "key", numbers(1, 4)...); err != nil {
		return found{}, err
	}
	held, err := openInbox(ctx, t.Conn, q, 2, nil)
	if err != nil {
		return found{}, err
	}
	defer held.leave()
	inFlight, err := held.wait(ctx, 2)
	if err != nil {
		return found{}, err
	}
	if err := t.Unbind(ctx, q, x, "key"); err != nil {
		return found{}, fmt.Errorf("unbind: %w", err)
	}
	if err := t.publish(ctx, x, "key", "5"); err != nil {
		return found{}, err
	}
	return t.afterUnbind(ctx, q, held, inFlight)
}

func (t *trial) afterUnbind(ctx context.Context, queue string, held *inbox, inFlight []Delivery) (found, error) {
	ids := idsOf(inFlight)
	if err := held.stop(); err != nil {
		return found{}, fmt.Errorf("stop consuming: %w", err)
	}
	// One that cannot be settled any more is gone, and tells in what comes.
	_ = errors.Join(inFlight[0].Ack(), inFlight[1].Ack())
	rest, err := t.drain(ctx, queue, 2)
	if err != nil {
		return found{}, err
	}
	f := found{did: fmt.Sprintf("held: %s; then: %s", listed(ids), listed(rest))}
	f.answer = f.did
	return f, nil
}
