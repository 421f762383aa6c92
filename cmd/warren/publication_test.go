package main

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"warren/streams"
)

// A publication is several goroutines that publish until all is confirmed.
type publication struct {
	confirmed *tally
	repeated  *tally // those that were published again
	running   sync.WaitGroup
}

// publishAll publishes messages "1" to "n" to the queue "tasks".
func publishAll(t *testing.T, c client, n int) *publication {
	t.Helper()
	const publishers = 4
	p := &publication{confirmed: newTally(), repeated: newTally()}
	for first := range publishers {
		p.running.Go(func() {
			for i := 1 + first; i <= n; i += publishers {
				p.publish(t, c, "tasks", strconv.Itoa(i))
			}
		})
	}
	return p
}

// publish publishes a message to a queue until it is confirmed.
func (p *publication) publish(t *testing.T, c client, queue, body string) {
	t.Helper()
	m := streams.Message{Body: []byte(body), DeliveryMode: streams.Persistent}
	for {
		err := c.Publish(t.Context(), "", queue, m)
		if err == nil {
			p.confirmed.note(body)
			return
		}
		if !errors.Is(err, streams.ErrUnconfirmed) {
			t.Errorf("publish %s: %v", body, err)
			return
		}
		p.repeated.note(body)
	}
}
