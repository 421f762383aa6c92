package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What a publisher is told of a message.
const (
	toldConfirmed  = "confirmed"
	toldUnroutable = "returned as unroutable"
	toldRefused    = "refused"
	toldNotOffered = "not offered"
)

// tells is what a publisher was told, in a word.
func tells(err error) string {
	switch {
	case err == nil:
		return toldConfirmed
	case errors.Is(err, ErrUnroutable):
		return toldUnroutable
	case errors.Is(err, ErrNotOffered):
		return toldNotOffered
	}
	return toldRefused
}

const (
	amqpUnroutable = "plain: confirmed; mandatory: returned as unroutable; to a missing exchange: refused"
	dropsAll       = "plain: confirmed; mandatory: not offered; to a missing exchange: refused"
)

// unroutable publishes what no queue wants.
func unroutable() scenario {
	return scenario{
		name:     "unroutable",
		question: "What is the publisher told of a message that no queue wants: a plain one, a mandatory one, one to an exchange that is not there?",
		play:     playUnroutable,
		why: func(a answers) string {
			switch {
			case a.all(amqpUnroutable):
				return "A message that no queue wants is dropped and confirmed, unless it is mandatory or there is no such exchange."
			case a.same():
				return "All of them tell the publisher the same, which is not what AMQP asks for."
			case a.none(amqpUnroutable):
				return "None of them tells the publisher what AMQP asks for, each in its own way."
			}
			amqp, others := a.with(amqpUnroutable), a.without(amqpUnroutable)
			if others.all(dropsAll) {
				return fmt.Sprintf("Everywhere a message that no queue wants is dropped and confirmed; %s can be asked to hand it back instead, %s cannot.",
					amqp.names(), others.names())
			}
			return fmt.Sprintf("AMQP drops what no queue wants unless it is mandatory, as %s did; %s told the publisher something else.",
				amqp.names(), others.names())
		},
	}
}

func playUnroutable(ctx context.Context, t *trial) (found, error) {
	x, err := t.exchange(ctx, Direct)
	if err != nil {
		return found{}, err
	}
	q, err := t.bound(ctx, x, "known")
	if err != nil {
		return found{}, err
	}
	var told []string
	for _, try := range []struct {
		what, exchange string
		mandatory      bool
	}{
		{"plain", x, false},
		{"mandatory", x, true},
		{"to a missing exchange", x + "-missing", false},
	} {
		m := t.message(try.what)
		m.Mandatory = try.mandatory
		answer, err := t.outcome(ctx, try.exchange, "unknown", m)
		if err != nil {
			return found{}, err
		}
		word := tells(answer)
		if word == toldUnroutable && !try.mandatory {
			word = toldRefused // nobody asked for it back
		}
		told = append(told, try.what+": "+word)
	}
	f := found{did: strings.Join(told, "; ")}
	f.answer = f.did
	return f, t.checkRoutable(ctx, x, q)
}

// checkRoutable checks that what a queue does want gets there, and nothing else.
func (t *trial) checkRoutable(ctx context.Context, exchange, queue string) error {
	if err := t.publish(ctx, exchange, "known", "routable"); err != nil {
		return err
	}
	got, err := t.drain(ctx, queue, 1)
	if err != nil {
		return err
	}
	if want := []string{"routable"}; !slices.Equal(got, want) {
		return fmt.Errorf("got %q in the queue, want %q", got, want)
	}
	return nil
}
