package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

const (
	megabyte = 1 << 20

	takesThenRefuses = "1 MiB delivered; too much refused, and the publisher goes on"
	needsPublisher   = "1 MiB delivered; too much refused, and the connection goes on with another publisher"
)

// largeMessages publishes 1 MiB, and then more than the target takes.
func largeMessages() scenario {
	return scenario{
		name:     "large message",
		question: "Does a message of 1 MiB arrive, and is the connection of use after one that is too large?",
		alone:    true,
		play:     playLargeMessages,
		why: func(a answers) string {
			goes, needs := a.with(takesThenRefuses), a.with(needsPublisher)
			switch {
			case len(goes) == len(a):
				return "The client knows the broker's limit and refuses what is larger before it sends it."
			case len(needs) == len(a):
				return "The broker closes the channel on which too large a message came, and the connection stays."
			case len(goes)+len(needs) == len(a):
				return fmt.Sprintf("With %s the client knows the limit and sends nothing; with %s the broker refuses the message and closes the channel it came on.",
					goes.names(), needs.names())
			case a.same():
				return "All of them take and refuse alike."
			}
			return "They differ in what they take and in what a refusal costs."
		},
	}
}

func playLargeMessages(ctx context.Context, t *trial) (found, error) {
	q, err := t.queue(ctx)
	if err != nil {
		return found{}, err
	}
	taken, err := t.takesMegabyte(ctx, q)
	if err != nil {
		return found{}, err
	}
	limit := t.target.Features().MaxBytes
	if limit == 0 {
		f := found{did: taken + "; the target's limit is not known"}
		f.answer = f.did
		return f, nil
	}
	after, err := t.afterTooMuch(ctx, q, limit+1)
	if err != nil {
		return found{}, err
	}
	answer := taken + "; too much " + after
	return found{
		answer: answer,
		did:    fmt.Sprintf("%s (the limit is %s)", answer, sizeOf(limit)),
	}, nil
}

// takesMegabyte says what became of a message of 1 MiB.
func (t *trial) takesMegabyte(ctx context.Context, queue string) (string, error) {
	m := t.message("large")
	m.Body = bytes.Repeat([]byte("0123456789abcdef"), megabyte/16)
	told, err := t.outcome(ctx, "", queue, m)
	if err != nil {
		return "", err
	}
	if told != nil {
		return "1 MiB refused", nil
	}
	in, err := openInbox(ctx, t.Conn, queue, 1, Delivery.Ack)
	if err != nil {
		return "", err
	}
	defer in.leave()
	got, err := in.wait(ctx, 1)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(got[0].Message().Body, m.Body) {
		return "", errors.New("the message of 1 MiB did not arrive as it was sent")
	}
	return "1 MiB delivered", in.stop()
}

// afterTooMuch publishes a message of a size that is too much and says what works
// after it.
func (t *trial) afterTooMuch(ctx context.Context, queue string, size int64) (string, error) {
	m := t.message("too large")
	m.Body = make([]byte, size)
	p, err := t.Publisher(ctx, 1)
	if err != nil {
		return "", fmt.Errorf("open a publisher: %w", err)
	}
	defer func() { _ = p.Close(ctx) }() // it may be closed already
	if err := publishOne(ctx, p, "", queue, m); err == nil {
		return "taken", nil
	}
	if err := publishOne(ctx, p, "", queue, t.message("next")); err == nil {
		return "refused, and the publisher goes on", nil
	}
	told, err := t.outcome(ctx, "", queue, t.message("next"))
	if err == nil && told == nil {
		return "refused, and the connection goes on with another publisher", nil
	}
	return "refused, and the connection is lost", ctx.Err()
}

func sizeOf(bytes int64) string {
	if bytes < megabyte {
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/megabyte)
}
