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
func (s *Session) openLive(ctx context.Context) error {
	if err := s.live.open(ctx); err != nil {
		return err
	}
	if err := s.clock.read(ctx); err != nil {
		return err
	}
	return s.readEpoch(ctx)
}

// epochRecord is the epoch as stored; Swept says that what the last epoch left
// behind is cleared away.
type epochRecord struct {
	Name  string    `json:"name"`
	Began time.Time `json:"began"`
	Swept bool      `json:"swept,omitempty"`
}

func (v vhost) epochSubject() string { return v.liveSubject() + ".epoch" }

func (s *Session) readEpoch(ctx context.Context) error {
	subject := s.vhost.epochSubject()
	for {
		rec, revision, err := s.epoch.load(ctx, subject)
		if err != nil {
			return err
		}
		if revision == 0 {
			if err := s.epoch.begin(ctx, subject); err != nil && !errors.Is(err, errConflict) {
				return err
			}
			continue
		}
		if s.epoch.beginsLater(rec) {
			if err := s.epoch.move(ctx, 0); err != nil {
				return err
			}
			continue
		}
		s.epoch.set(rec.Name, rec.Began)
		if rec.Swept {
			return nil
		}
		if err := s.sweepEpoch(ctx); err != nil {
			return err
		}
		rec.Swept = true
		if err := s.epoch.put(ctx, subject, rec, revision); err != nil && !errors.Is(err, errConflict) {
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
func (s *Session) sweepEpoch(ctx context.Context) error {
	exchanges, err := readable(s.topology.exchanges(ctx))
	if err != nil {
		return err
	}
	for i := range exchanges {
		if s.standsExchange(&exchanges[i]) {
			continue
		}
		if _, _, err := s.loadExchange(ctx, exchanges[i].Name); err != nil {
			return err
		}
	}
	queues, err := readable(s.topology.queues(ctx))
	if err != nil {
		return err
	}
	for i := range queues {
		if s.standsQueue(&queues[i]) {
			continue
		}
		if _, _, err := s.loadQueue(ctx, queues[i].Name); err != nil {
			return err
		}
	}
	return nil
}
