package compare

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// twoTypes is a generator of two types of messages and a subscriber to each.
func twoTypes() scenario {
	return scenario{
		name:     "two types",
		question: "A generator publishes orders and payments in turns. Does each of two subscribers get its own type, all of it, in order?",
		play:     playTwoTypes,
		why: func(a answers) string {
			if a.same() {
				return "A direct exchange gives each queue the types it is bound with, in the order of publishing."
			}
			return "They differ in what reached the subscribers."
		},
	}
}

func playTwoTypes(ctx context.Context, t *trial) (found, error) {
	x, err := t.exchange(ctx, Direct)
	if err != nil {
		return found{}, err
	}
	types := []string{"order", "payment"}
	queues, want := make(map[string]string), make(map[string][]string)
	for _, kind := range types {
		if queues[kind], err = t.bound(ctx, x, kind); err != nil {
			return found{}, err
		}
	}
	for n := 1; n <= 10; n++ {
		kind := types[(n+1)%2]
		id := fmt.Sprintf("%s %d", kind, n)
		want[kind] = append(want[kind], id)
		if err := t.publish(ctx, x, kind, id); err != nil {
			return found{}, err
		}
	}
	var did []string
	for _, kind := range types {
		got, err := t.drain(ctx, queues[kind], len(want[kind]))
		if err != nil {
			return found{}, err
		}
		if !slices.Equal(got, want[kind]) {
			return found{}, fmt.Errorf("the subscriber to %ss got %q, want %q", kind, got, want[kind])
		}
		did = append(did, fmt.Sprintf("%d %ss in order", len(got), kind))
	}
	f := found{did: strings.Join(did, ", ") + ", none at the wrong one"}
	f.answer = f.did
	return f, nil
}
