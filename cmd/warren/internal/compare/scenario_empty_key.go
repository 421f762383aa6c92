package compare

import (
	"context"
	"fmt"
	"strings"
)

const amqpEmptyKeys = "direct bound with it: delivered; another key there: not delivered; direct bound with another: not delivered; fanout: delivered; default exchange: returned as unroutable"

// emptyKeys publishes with the empty routing key.
func emptyKeys() scenario {
	return scenario{
		name:     "empty key",
		question: "Where does a message with the empty routing key go?",
		play:     playEmptyKeys,
		why: func(a answers) string {
			switch {
			case a.all(amqpEmptyKeys):
				return "The empty key is a key like any other, and names no queue."
			case a.same():
				return "All of them treat the empty key alike, and not as AMQP does."
			case a.none(amqpEmptyKeys):
				return "None of them treats the empty key as AMQP does, each in its own way."
			}
			return fmt.Sprintf("In AMQP the empty key is a key like any other, as with %s; a NATS subject has no empty words, which shows with %s.",
				a.with(amqpEmptyKeys).names(), a.without(amqpEmptyKeys).names())
		},
	}
}

func playEmptyKeys(ctx context.Context, t *trial) (found, error) {
	direct, err := t.exchange(ctx, Direct)
	if err != nil {
		return found{}, err
	}
	other, err := t.exchange(ctx, Direct)
	if err != nil {
		return found{}, err
	}
	fanout, err := t.exchange(ctx, Fanout)
	if err != nil {
		return found{}, err
	}
	var fates []string
	for _, try := range []struct{ what, exchange, bound, key string }{
		{"direct bound with it", direct, "", ""},
		{"another key there", direct, "", "another"},
		{"direct bound with another", other, "another", ""},
		{"fanout", fanout, "", ""},
	} {
		fate, err := t.fate(ctx, try.exchange, try.bound, try.key)
		if err != nil {
			return found{}, fmt.Errorf("%s: %w", try.what, err)
		}
		fates = append(fates, try.what+": "+fate)
	}
	m := t.message("nobody")
	m.Mandatory = true
	answer, err := t.outcome(ctx, "", "", m)
	if err != nil {
		return found{}, err
	}
	fates = append(fates, "default exchange: "+tells(answer))
	f := found{did: strings.Join(fates, "; ")}
	f.answer = f.did
	return f, nil
}

// fate is what becomes of a message with a key on an exchange to which a queue of
// its own is bound with another.
func (t *trial) fate(ctx context.Context, exchange, bound, key string) (string, error) {
	q, err := t.bound(ctx, exchange, bound)
	if err != nil {
		return "binding refused", ctx.Err()
	}
	answer, err := t.outcome(ctx, exchange, key, t.message("keyed"))
	if err != nil {
		return "", err
	}
	if answer != nil {
		return tells(answer), nil
	}
	want := 0
	if bound == key {
		want = 1
	}
	got, err := t.drain(ctx, q, want)
	if err != nil {
		return "", err
	}
	if len(got) == 0 {
		return "not delivered", nil
	}
	return "delivered", nil
}
