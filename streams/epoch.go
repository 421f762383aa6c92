package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// The epoch is one life of the broker. It is kept in memory there, so it ends
// with the broker, and with it everything that is not durable: queues and
// exchanges of an earlier epoch do not exist, and neither do messages without
// the persistent flag.
type epoch struct {
	*site
	live  *live
	clock *brokerClock

	mu    sync.RWMutex
	name  string
	began time.Time
}

func (e *epoch) id() string {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.name
}

func (e *epoch) start() time.Time {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.began
}

func (e *epoch) set(name string, began time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.name, e.began = name, began
}

// openLive opens the stream of what ends with the broker, reads the epoch, and
// begins one when there is none.
func (n *node) openLive(ctx context.Context) error {
	if err := n.live.open(ctx); err != nil {
		return err
	}
	if err := n.clock.read(ctx); err != nil {
		return err
	}
	return n.readEpoch(ctx)
}

// epochRecord is the epoch as stored; Swept says that what the last epoch left
// behind is cleared away.
type epochRecord struct {
	Name  string    `json:"name"`
	Began time.Time `json:"began"`
	Swept bool      `json:"swept,omitempty"`
}

func (v vhost) epochSubject() string { return v.liveSubject() + ".epoch" }

func (n *node) readEpoch(ctx context.Context) error {
	subject := n.vhost.epochSubject()
	for {
		rec, revision, err := n.epoch.load(ctx, subject)
		if err != nil {
			return err
		}
		if revision == 0 {
			if err := n.epoch.begin(ctx, subject); err != nil && !errors.Is(err, errConflict) {
				return err
			}
			continue
		}
		if n.epoch.beginsLater(rec) {
			if err := n.epoch.move(ctx, 0); err != nil {
				return err
			}
			continue
		}
		n.epoch.set(rec.Name, rec.Began)
		if rec.Swept {
			return nil
		}
		if err := n.sweepEpoch(ctx); err != nil {
			return err
		}
		rec.Swept = true
		if err := n.epoch.put(ctx, subject, rec, revision); err != nil && !errors.Is(err, errConflict) {
			return err
		}
		return nil
	}
}

// load reads the epoch; its beginning is what the server's clock said, as
// it is compared with the server's time of messages.
func (e *epoch) load(ctx context.Context, subject string) (epochRecord, uint64, error) {
	msg, err := jsapi.LastMessage(ctx, e.live, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return epochRecord{}, 0, nil
	}
	if err != nil {
		return epochRecord{}, 0, err
	}
	var rec epochRecord
	if err := json.Unmarshal(msg.Data, &rec); err != nil {
		return epochRecord{}, 0, fmt.Errorf("the epoch record is damaged: %w", err)
	}
	if rec.Began.IsZero() {
		rec.Began = msg.Time
	}
	return rec, msg.Sequence, nil
}

func (e *epoch) begin(ctx context.Context, subject string) error {
	return e.put(ctx, subject, epochRecord{Name: newID()}, 0)
}

func (e *epoch) put(ctx context.Context, subject string, rec epochRecord, revision uint64) error {
	data, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	_, err = jsapi.CompareAndSet(ctx, e.js, e.live, &nats.Msg{Subject: subject, Data: data}, revision)
	return err
}

// sweepEpoch clears away what was not durable in the last life of the broker.
func (n *node) sweepEpoch(ctx context.Context) error {
	exchanges, err := readable(n.topology.exchanges(ctx))
	if err != nil {
		return err
	}
	for i := range exchanges {
		if n.epoch.standsExchange(&exchanges[i]) {
			continue
		}
		if _, _, err := n.exchanges.find(ctx, exchanges[i].Name); err != nil {
			return err
		}
	}
	queues, err := readable(n.topology.queues(ctx))
	if err != nil {
		return err
	}
	for i := range queues {
		if n.epoch.standsQueue(&queues[i]) {
			continue
		}
		if _, _, err := n.queues.find(ctx, queues[i].Name); err != nil {
			return err
		}
	}
	return nil
}
