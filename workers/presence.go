package workers

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go/micro"

	"warren/streams"
	"warren/workers/internal/jsontext"
)

// A worker says every heartbeat that it is there, and one that has not for as long
// as missing is thought gone.
const (
	heartbeat = 5 * time.Second
	missing   = 3 * heartbeat
)

// workerPrefix begins the keys of workers that are there.
const workerPrefix = "worker."

// presence is what is recorded of a worker that is there.
type presence struct {
	ID   string `json:"id"`
	Name string `json:"hostname"`
	PID  int    `json:"pid"`
	// Tasks names the catalogue of what it knows, and Queues are those it takes from,
	// or would if they were not paused.
	Tasks  string   `json:"tasks"`
	Queues []string `json:"queues"`
}

// appear makes the worker known, and answers what it is asked, until leave. Who
// asks knows from the record whose answer is missing.
func (w *Worker) appear(ctx context.Context, errands *sync.WaitGroup) (leave func(), err error) {
	w.id = w.c.ids.next()
	p := presence{ID: w.id, Name: w.cfg.Name, PID: os.Getpid(), Queues: w.intake.all()}
	if p.Tasks, err = w.c.publishCatalogue(ctx); err != nil {
		return nil, err
	}
	service, err := w.answer(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	if err := w.c.present(ctx, p); err != nil {
		return nil, errors.Join(err, service.Stop())
	}
	w.emit(w.ofWorker(WorkerOnline))
	ctx, stop := context.WithCancel(ctx)
	errands.Go(func() { w.beat(ctx, p) })
	return func() {
		stop()
		w.disappear(ctx, p, service)
	}, nil
}

// beat says that the worker is there until the context ends.
func (w *Worker) beat(ctx context.Context, p presence) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	written := time.Now()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		w.emit(w.ofWorker(WorkerHeartbeat))
		if time.Since(written) > catalogueEvery {
			if _, err := w.c.publishCatalogue(ctx); err == nil {
				written = time.Now()
			}
		}
		p.Queues = w.intake.all()
		if err := w.c.present(ctx, p); err != nil && ctx.Err() == nil {
			w.log.Warn("could not say that the worker is there", "error", err)
		}
	}
}

// disappear says that the worker has gone, while it still answers those who do not
// know yet. Without a broker to tell, its record expires.
func (w *Worker) disappear(ctx context.Context, p presence, service micro.Service) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	w.emit(w.ofWorker(WorkerOffline))
	if err := errors.Join(w.c.store.Delete(ctx, workerPrefix+p.ID), service.Stop()); err != nil {
		w.log.Debug("could not say that the worker has gone", "error", err)
	}
}

func (c *client) present(ctx context.Context, p presence) error {
	text, err := jsontext.Marshal(p)
	if err != nil {
		return err
	}
	return c.keep(ctx, streams.Put{Key: workerPrefix + p.ID, Value: text, TTL: missing})
}

// presences are the workers that are there, by their ids.
func (c *client) presences(ctx context.Context) (map[string]presence, error) {
	there := make(map[string]presence)
	err := c.store.Range(ctx, workerPrefix+"*", func(e streams.Entry) bool {
		var p presence
		if json.Unmarshal(e.Value, &p) == nil {
			there[p.ID] = p
		}
		return true
	})
	return there, err
}
