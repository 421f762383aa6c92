package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	amqpRestart = "of a durable queue persistent 3 of 3 and transient 0 of 3 are left"
	keepsAll    = "of a durable queue persistent 3 of 3 and transient 3 of 3 are left"
)

func restartCleanly() scenario {
	return restart("restart the broker", "The broker is stopped in good order and started again. Which messages are still there?", false)
}

func restartByKilling() scenario {
	return restart("kill the broker", "The broker's process is killed (SIGKILL) and started again. Which messages are still there?", true)
}

// goneQueue is what becomes of a queue that is not kept.
const goneQueue = "gone"

// restart has messages of every kind wait while the broker is away.
func restart(name, question string, kill bool) scenario {
	return scenario{
		name: name, question: question, alone: true, restarts: true,
		play: func(ctx context.Context, t *trial) (found, error) { return playRestart(ctx, t, kill) },
		why: func(a answers) string {
			amqp, keeps := a.with(amqpRestart), a.with(keepsAll)
			switch {
			case len(amqp) == len(a):
				return "What is durable and persistent is on disk, and what is not goes with the broker."
			case len(keeps) == len(a):
				return "What is in files comes back, whatever the message says of itself."
			case len(amqp)+len(keeps) == len(a):
				return fmt.Sprintf("With %s it takes a durable queue and a persistent message to come back; with %s all that is in files does, whatever the message says of itself.",
					amqp.names(), keeps.names())
			case a.same():
				return "All of them kept the same, which is not what AMQP asks for."
			}
			return "They differ in what they write to files."
		},
	}
}

func playRestart(ctx context.Context, t *trial, kill bool) (found, error) {
	durable, err := t.queue(ctx)
	if err != nil {
		return found{}, err
	}
	transient, err := t.queueAs(ctx, Queue{Class: D0, Transient: true})
	if err != nil && !errors.Is(err, ErrNotOffered) {
		return found{}, err
	}
	if err := t.fillForRestart(ctx, durable, transient); err != nil {
		return found{}, err
	}
	// A connection of before has its own way of coming back; what is asked is
	// what the broker has.
	if err := t.disconnect(t.Conn); err != nil {
		return found{}, err
	}
	began := time.Now()
	if err := t.target.Restart(ctx, kill); err != nil {
		return found{}, errors.Join(err, t.reconnect(ctx))
	}
	if err := t.reconnect(ctx); err != nil {
		return found{}, err
	}
	took := time.Since(began)
	f, err := t.afterRestart(ctx, durable, transient)
	f.took = took
	f.did += fmt.Sprintf(" (back after %s)", durationText(took))
	return f, err
}

func (t *trial) fillForRestart(ctx context.Context, durable, transient string) error {
	if err := t.send(ctx, durable, "p1", "p2", "p3"); err != nil {
		return err
	}
	p, err := t.Publisher(ctx, 1)
	if err != nil {
		return fmt.Errorf("open a publisher: %w", err)
	}
	publish := func(queue string, ids ...string) error {
		for _, id := range ids {
			if err := publishOne(ctx, p, "", queue, Message{ID: id, Class: D0, Body: []byte(id)}); err != nil {
				return fmt.Errorf("publish a transient message: %w", err)
			}
		}
		return nil
	}
	err = publish(durable, "t1", "t2", "t3")
	if transient != "" && err == nil {
		err = publish(transient, "x1", "x2", "x3")
	}
	return errors.Join(err, p.Close(ctx))
}

// afterRestart says what is there. What was persistent in a durable queue must be.
func (t *trial) afterRestart(ctx context.Context, durable, transient string) (found, error) {
	// A broker that kept more than it should is given time to deliver all of it.
	there, err := t.Unsettled(ctx, durable)
	if err != nil {
		return found{}, fmt.Errorf("count what is left: %w", err)
	}
	left, err := t.drain(ctx, durable, max(there, 3))
	if err != nil {
		return found{}, err
	}
	count := func(mark string) (n int) {
		for _, id := range left {
			if strings.HasPrefix(id, mark) {
				n++
			}
		}
		return n
	}
	fate, err := t.fateOfQueue(ctx, transient)
	if err != nil {
		return found{}, err
	}
	f := found{answer: fmt.Sprintf("of a durable queue persistent %d of 3 and transient %d of 3 are left", count("p"), count("t"))}
	f.did = f.answer + ", the transient queue is " + fate
	if fate != goneQueue && fate != toldNotOffered {
		f.answer = f.did
	}
	if want := []string{"p1", "p2", "p3"}; !slices.Equal(left[:min(3, len(left))], want) {
		return f, fmt.Errorf("got %v from the durable queue, want %v first", left, want)
	}
	return f, nil
}

func (t *trial) fateOfQueue(ctx context.Context, queue string) (string, error) {
	if queue == "" {
		return toldNotOffered, nil
	}
	n, err := t.Ready(ctx, queue)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		t.queues = slices.DeleteFunc(t.queues, func(q string) bool { return q == queue })
		return goneQueue, nil
	}
	return fmt.Sprintf("there, with %d of 3", n), nil
}
