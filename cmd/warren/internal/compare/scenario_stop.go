package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	immediately = "at once"
	afterLease  = "when their time is up"

	// heldMessages are held by a worker that goes away.
	heldMessages = 3
	// shortLease is what a queue gets that waits for a dead consumer. It is set
	// low to keep the report short; what is usual is told beside the answer.
	shortLease = 2 * time.Second
)

// stoppedWorker ends a worker that holds messages in good order.
func stoppedWorker() scenario {
	return scenario{
		name:     "stop a worker",
		question: "A worker stops consuming and closes its connection, with messages it has not acknowledged. When does another have them?",
		play:     playStoppedWorker,
		why: func(a answers) string {
			at := a.with(immediately)
			switch {
			case len(at) == len(a):
				return "What a worker held goes back to the queue when it closes its connection in good order."
			case len(at) == 0:
				return "A closed connection says nothing about the messages, so they wait until the time to acknowledge them is up."
			}
			return fmt.Sprintf("With %s closing a connection hands back what it held; with %s nobody says so, and the messages wait until their time is up.",
				at.names(), a.without(immediately).names())
		},
	}
}

func playStoppedWorker(ctx context.Context, t *trial) (found, error) {
	q, err := t.queueAs(ctx, Queue{Class: t.class(), Lease: shortLease})
	if err != nil {
		return found{}, err
	}
	if err := t.send(ctx, q, numbers(1, heldMessages)...); err != nil {
		return found{}, err
	}
	conn, err := t.connect(ctx)
	if err != nil {
		return found{}, err
	}
	worker, err := openInbox(ctx, conn, q, heldMessages, nil)
	if err != nil {
		return found{}, err
	}
	if _, err := worker.wait(ctx, heldMessages); err != nil {
		return found{}, err
	}
	return t.takeover(ctx, q, func() error { return errors.Join(worker.stop(), t.disconnect(conn)) })
}

// takeover has another consumer wait for what a worker holds, makes the worker
// go, and takes the time until all of it has come.
func (t *trial) takeover(ctx context.Context, queue string, leave func() error) (found, error) {
	next, err := openInbox(ctx, t.Conn, queue, heldMessages, Delivery.Ack)
	if err != nil {
		return found{}, err
	}
	defer next.leave()
	if got, _, _ := next.deliveries(); len(got) > 0 {
		return found{}, fmt.Errorf("message %q came while a worker held it", got[0].Message().ID)
	}
	left := time.Now()
	if err := leave(); err != nil {
		return found{}, fmt.Errorf("make the worker leave: %w", err)
	}
	got, err := next.wait(ctx, heldMessages)
	if err != nil {
		return found{}, err
	}
	return t.afterTakeover(time.Since(left), got), nil
}

func (t *trial) afterTakeover(took time.Duration, got []Delivery) found {
	f := found{answer: immediately, took: took}
	if took >= shortLease/2 {
		f.answer = afterLease
	}
	marked := "marked as redelivered"
	if slices.ContainsFunc(got, func(d Delivery) bool { return !d.Redelivered() }) {
		marked = "not " + marked
		f.answer += ", " + marked
	}
	f.did = fmt.Sprintf("%d messages after %s, %s", len(got), durationText(took), marked)
	if usual := t.target.Features().Lease; usual > 0 && took >= shortLease/2 {
		f.did += fmt.Sprintf(" (their time is %s here, and %s unless it is set)", durationText(shortLease), durationText(usual))
	}
	return f
}
