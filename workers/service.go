package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// order is what workers are asked, or told: Celery's remote control.
type order struct {
	// Destination are the names of the workers that are meant; none means all.
	Destination []string `json:"destination,omitempty"`
	Queue       string   `json:"queue,omitempty"`
	Concurrency int      `json:"n,omitempty"`
}

// answerJSON is what a worker answers.
type answerJSON struct {
	ID     string `json:"id"`
	Worker string `json:"hostname"`
	Value  any    `json:"value,omitempty"`
	Error  string `json:"error,omitempty"`
}

// answer offers what a worker answers as a service of NATS, which other programs
// can ask too. All workers get every request.
func (w *Worker) answer(ctx context.Context, id string) (micro.Service, error) {
	service, err := micro.AddService(w.c.nc, micro.Config{
		Name: "warren-worker", Version: "1.0.0", Description: "a worker of app " + w.app.name,
		Metadata:           map[string]string{"worker": w.cfg.Name, "vhost": w.c.session.VHost()},
		QueueGroupDisabled: true,
	})
	if err != nil {
		return nil, fmt.Errorf("offer a service: %w", err)
	}
	group := service.AddGroup(w.c.session.VHost() + ".control")
	for name, do := range w.endpoints(ctx) {
		handler := micro.HandlerFunc(func(r micro.Request) { w.reply(r, id, name, do) })
		if err := group.AddEndpoint(name, handler); err != nil {
			return nil, errors.Join(fmt.Errorf("offer %s: %w", name, err), service.Stop())
		}
	}
	return service, nil
}

func (w *Worker) endpoints(ctx context.Context) map[string]func(order) (any, error) {
	look := func(f func() any) func(order) (any, error) {
		return func(order) (any, error) { return f(), nil }
	}
	return map[string]func(order) (any, error){
		"ping":       look(func() any { return "pong" }),
		"active":     look(func() any { return w.slots(true) }),
		"reserved":   look(func() any { return w.slots(false) }),
		"registered": look(func() any { return w.app.Registered() }),
		"stats":      look(func() any { return w.stats() }),
		shutdown:     look(func() any { return "shutting down" }),
		"concurrency": func(o order) (any, error) {
			if o.Concurrency < 1 {
				return nil, fmt.Errorf("concurrency is %d; use a positive number", o.Concurrency)
			}
			return o.Concurrency, w.intake.tasks.Set(o.Concurrency)
		},
		"add_consumer":    func(o order) (any, error) { return o.Queue, w.changeQueue(ctx, o.Queue, true) },
		"cancel_consumer": func(o order) (any, error) { return o.Queue, w.changeQueue(ctx, o.Queue, false) },
	}
}

// shutdown is the endpoint that ends a worker, once it has answered.
const shutdown = "shutdown"

func (w *Worker) changeQueue(ctx context.Context, queue string, wanted bool) error {
	if queue == "" {
		return errors.New("no queue is named")
	}
	return w.intake.want(ctx, queue, wanted)
}

func (w *Worker) reply(r micro.Request, id, name string, do func(order) (any, error)) {
	var o order
	if len(r.Data()) > 0 {
		if err := json.Unmarshal(r.Data(), &o); err != nil {
			w.respond(r.Error("400", err.Error(), nil))
			return
		}
	}
	if len(o.Destination) > 0 && !slices.Contains(o.Destination, w.cfg.Name) {
		return
	}
	a := answerJSON{ID: id, Worker: w.cfg.Name}
	var err error
	if a.Value, err = do(o); err != nil {
		a.Value, a.Error = nil, err.Error()
	}
	w.respond(r.RespondJSON(a))
	if name == shutdown {
		w.quit()
	}
}

// respond logs what cannot be helped. Who asks without wanting an answer gets
// none.
func (w *Worker) respond(err error) {
	if err != nil && !errors.Is(err, nats.ErrMsgNoReply) {
		w.log.Debug("could not answer", "error", err)
	}
}
