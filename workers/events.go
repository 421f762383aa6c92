package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams"
	"warren/workers/internal/jsontext"
)

// listenPrefix begins the keys of those who listen to events.
const listenPrefix = "control.listen."

// Events calls f with what happens in the workers, until the context ends, which
// is no error; f is called one at a time. Workers tell events only while somebody
// listens: each begins within milliseconds, with a heartbeat. Events are told on
// plain NATS subjects and are kept nowhere. Who is too slow, or away, misses some:
// what became of a task is in its record.
func (a *App) Events(ctx context.Context, f func(Event)) error {
	c, err := a.connected()
	if err != nil {
		return err
	}
	if err := c.listen(ctx, f); err != nil && ctx.Err() == nil {
		return fmt.Errorf("listen to events: %w", err)
	}
	return nil
}

func (c *client) listen(ctx context.Context, f func(Event)) error {
	sub, err := c.nc.SubscribeSync(c.session.VHost() + ".celeryev.>")
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	key := listenPrefix + c.ids.next()
	if err := c.askForEvents(ctx, key); err != nil {
		return err
	}
	asking.Go(func() { c.keepAsking(ctx, key) })
	return c.hear(ctx, sub, f)
}

func (c *client) askForEvents(ctx context.Context, key string) error {
	return c.keep(ctx, streams.Put{Key: key, Value: []byte("{}"), TTL: missing})
}

// keepAsking keeps the workers telling, and says at the end that they need not.
func (c *client) keepAsking(ctx context.Context, key string) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := c.askForEvents(ctx, key); err != nil && ctx.Err() == nil {
				c.cfg.Logger.Warn("could not ask for events", "error", err)
			}
		case <-c.over:
			return
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = c.store.Delete(ctx, key) // it expires anyway
			return
		}
	}
}

func (c *client) hear(ctx context.Context, sub *nats.Subscription, f func(Event)) error {
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrSlowConsumer) {
			c.cfg.Logger.Warn("missed events: they come faster than they are read")
			continue
		}
		if err != nil {
			return err
		}
		var e Event
		if err := json.Unmarshal(msg.Data, &e); err != nil {
			c.cfg.Logger.Warn("could not read an event", "subject", msg.Subject, "error", err)
			continue
		}
		f(e)
	}
}

// emitter tells events while somebody listens.
type emitter struct {
	wanted atomic.Bool

	mu        sync.Mutex
	listeners map[string]struct{}
}

// listener is called with everyone who listens, or does not any more. The first
// thing a new one hears is that the worker is there.
func (w *Worker) listener(id string, listens bool) {
	w.events.mu.Lock()
	_, known := w.events.listeners[id]
	if listens && w.events.listeners == nil {
		w.events.listeners = make(map[string]struct{})
	}
	if listens {
		w.events.listeners[id] = struct{}{}
	} else {
		delete(w.events.listeners, id)
	}
	w.events.wanted.Store(len(w.events.listeners) > 0)
	w.events.mu.Unlock()
	if listens && !known {
		w.emit(w.ofWorker(WorkerHeartbeat))
	}
}

// emit tells an event. Who makes an event looks first whether it is wanted.
func (w *Worker) emit(e Event) {
	if !w.events.wanted.Load() {
		return
	}
	e.Hostname, e.PID, e.Timestamp = w.cfg.Name, os.Getpid(), timestamp{w.c.now()}
	text, err := jsontext.Marshal(e)
	if err == nil {
		err = w.c.nc.Publish(w.c.session.VHost()+".celeryev."+strings.Replace(e.Type, "-", ".", 1), text)
	}
	if err != nil {
		w.log.Debug("could not tell an event", "type", e.Type, "error", err)
	}
}

func (w *Worker) ofWorker(kind string) Event {
	w.mu.Lock()
	active := len(w.active)
	w.mu.Unlock()
	return Event{Type: kind, Freq: Seconds(heartbeat), Active: active, Processed: w.tally.sum()}
}

// received tells that a worker has got a task.
func (r *run) received(ctx context.Context) {
	r.logReceived(ctx)
	r.explainTaken()
	if !r.w.events.wanted.Load() {
		return
	}
	e := r.m.ofTask(TaskReceived)
	e.Args, e.Kwargs = r.m.clipped()
	r.w.emit(e)
}

// starts tells that the code of a task is called.
func (r *run) starts() {
	r.called.Store(true)
	if r.w.events.wanted.Load() {
		r.w.emit(r.m.ofTask(TaskStarted))
	}
}

// tell counts what a run has come to, and tells and logs it.
func (r *run) tell(ctx context.Context, rec record) {
	r.logEnded(ctx, rec)
	r.explainEnded(rec)
	r.w.tally.count(rec)
	if r.w.events.wanted.Load() {
		r.w.emit(r.event(rec))
	}
}
