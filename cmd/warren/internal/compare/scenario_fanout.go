package compare

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

const (
	sinceBound = "early: 1, 2, 3, 4, 5; late: 4, 5"
	whatIsLeft = "early: 1, 2, 3, 4, 5; late: 1, 2, 3, 4, 5"
)

// lateSubscriber publishes to a fanout exchange before and after a second queue
// is bound to it.
func lateSubscriber() scenario {
	return scenario{
		name:     "late subscriber",
		question: "Of five messages to a fanout exchange, what does a queue get that is bound after the third?",
		play:     playLateSubscriber,
		why: func(a answers) string {
			since, left := a.with(sinceBound), a.with(whatIsLeft)
			switch {
			case len(since) == len(a):
				return "An exchange keeps nothing for later: a queue gets what is published once it is bound."
			case len(left) == len(a):
				return "A stream gives a new consumer what it still has, unless it is told otherwise."
			case len(since)+len(left) == len(a):
				return fmt.Sprintf("With %s a queue gets what is published once it is bound; with %s a stream gives a new consumer what it still has, unless it is told otherwise.",
					since.names(), left.names())
			}
			return "They differ in what is kept for a queue that is not bound yet."
		},
	}
}

func playLateSubscriber(ctx context.Context, t *trial) (found, error) {
	x, err := t.exchange(ctx, Fanout)
	if err != nil {
		return found{}, err
	}
	early, err := t.bound(ctx, x, "")
	if err != nil {
		return found{}, err
	}
	if err := t.publish(ctx, x, "", numbers(1, 3)...); err != nil {
		return found{}, err
	}
	late, err := t.bound(ctx, x, "")
	if err != nil {
		return found{}, err
	}
	if err := t.publish(ctx, x, "", numbers(4, 5)...); err != nil {
		return found{}, err
	}
	toEarly, err := t.drain(ctx, early, 5)
	if err != nil {
		return found{}, err
	}
	toLate, err := t.drain(ctx, late, 2)
	if err != nil {
		return found{}, err
	}
	f := found{did: fmt.Sprintf("early: %s; late: %s", listed(toEarly), listed(toLate))}
	f.answer = f.did
	if want := numbers(1, 5); !slices.Equal(toEarly, want) {
		return f, fmt.Errorf("the early queue got %v, want %v", toEarly, want)
	}
	return f, nil
}

// listed are ids as an answer has them.
func listed(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	return strings.Join(ids, ", ")
}
