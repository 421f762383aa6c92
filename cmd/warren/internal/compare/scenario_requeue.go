package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	oldPlaces   = "in their old places"
	asRequeued  = "as they were requeued, before the rest"
	behindThem  = "behind the rest"
	someDiffers = "in another order"
)

// requeueOrder requeues some of what a consumer holds, in another order.
func requeueOrder() scenario {
	return scenario{
		name:     "requeue",
		question: "Of seven messages a consumer holds the first five, acknowledges 2 and 5, and requeues 4, 1 and 3. In which order do they come?",
		play:     playRequeueOrder,
		why: func(a answers) string {
			switch {
			case a.all(oldPlaces):
				return "What is requeued goes back to its place in the queue."
			case a.all(asRequeued):
				return "What is requeued waits in front of the queue, in the order in which it came back."
			case a.all(behindThem):
				return "What is requeued goes to the end of the queue."
			case a.same():
				return "All of them have the same order, which is neither the old one nor that of requeueing."
			}
			return "AMQP asks for the old place only if possible: " + placesOf(a) + "."
		},
	}
}

// placesOf says where what is requeued goes with whom.
func placesOf(a answers) string {
	var places []string
	for _, place := range []struct{ answer, where string }{
		{oldPlaces, "it is back there"},
		{asRequeued, "it is in front of the queue, in the order in which it came back"},
		{behindThem, "it is at the end of the queue"},
	} {
		if who := a.with(place.answer); len(who) > 0 {
			places = append(places, fmt.Sprintf("with %s %s", who.names(), place.where))
		}
		a = a.without(place.answer)
	}
	if len(a) > 0 {
		places = append(places, fmt.Sprintf("with %s it is elsewhere", a.names()))
	}
	return strings.Join(places, ", ")
}

func playRequeueOrder(ctx context.Context, t *trial) (found, error) {
	q, err := t.queue(ctx)
	if err != nil {
		return found{}, err
	}
	if err := t.send(ctx, q, numbers(1, 7)...); err != nil {
		return found{}, err
	}
	held, err := openInbox(ctx, t.Conn, q, 5, nil)
	if err != nil {
		return found{}, err
	}
	defer held.leave()
	got, err := held.wait(ctx, 5)
	if err != nil {
		return found{}, err
	}
	if ids := idsOf(got); !slices.Equal(ids, numbers(1, 5)) {
		return found{}, fmt.Errorf("got %v at first, want them in the order of publishing", ids)
	}
	// With nobody to take them, they wait for one another. Asking for the other two
	// makes sure that the broker knows: JetStream would still try who is gone, and
	// put what it tried behind what was requeued meanwhile.
	if err := held.stop(); err != nil {
		return found{}, err
	}
	if err := t.awaitReady(ctx, q, 2); err != nil {
		return found{}, err
	}
	err = errors.Join(got[3].Requeue(), got[0].Requeue(), got[2].Requeue(), got[1].Ack(), got[4].Ack())
	if err != nil {
		return found{}, fmt.Errorf("settle: %w", err)
	}
	// Settling has no answer, so wait until it has been taken in.
	if err := t.awaitReady(ctx, q, 5); err != nil {
		return found{}, err
	}
	order, err := t.drain(ctx, q, 5)
	if err != nil {
		return found{}, err
	}
	return orderAfterRequeue(order)
}

func orderAfterRequeue(order []string) (found, error) {
	said := strings.Join(order, ", ")
	f := found{did: said, answer: someDiffers + ": " + said}
	switch said {
	case "1, 3, 4, 6, 7":
		f.answer = oldPlaces
	case "4, 1, 3, 6, 7":
		f.answer = asRequeued
	case "6, 7, 4, 1, 3":
		f.answer = behindThem
	}
	sorted := slices.Sorted(slices.Values(order))
	if want := []string{"1", "3", "4", "6", "7"}; !slices.Equal(sorted, want) {
		return f, fmt.Errorf("got %v, want each of %v once", order, want)
	}
	return f, nil
}
