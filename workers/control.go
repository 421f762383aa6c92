package workers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"warren/workers/internal/jsontext"
)

// Control asks workers, and tells them what to do: Celery's app.control. Each of
// its methods waits until every worker has answered that is there, or for the
// context, or, if that has no deadline, for a second as in Celery. Workers that
// have not answered by then are among the answers, with [ErrNoAnswer]: they were
// killed a moment ago, or hang. A worker whose tasks hang answers.
type Control struct {
	app   *App
	names []string
}

// Control is for the workers of these names, or for all.
func (a *App) Control(workers ...string) Control { return Control{a, workers} }

// An Answer is what one worker says.
type Answer[T any] struct {
	Worker string
	Value  T
	// Err is why there is no value.
	Err error
}

// patience is how long workers have to answer.
const patience = time.Second

// Ping asks whether the workers are there. They say "pong".
func (c Control) Ping(ctx context.Context) ([]Answer[string], error) {
	return ask[string](ctx, c, "ping", order{})
}

// Active asks which tasks run, and for how long they have.
func (c Control) Active(ctx context.Context) ([]Answer[[]ActiveTask], error) {
	return ask[[]ActiveTask](ctx, c, "active", order{})
}

// Reserved asks which tasks the workers have and have not begun. They are few: a
// worker takes no more than it has places for.
func (c Control) Reserved(ctx context.Context) ([]Answer[[]ActiveTask], error) {
	return ask[[]ActiveTask](ctx, c, "reserved", order{})
}

// Registered asks which tasks the workers know.
func (c Control) Registered(ctx context.Context) ([]Answer[[]string], error) {
	return ask[[]string](ctx, c, "registered", order{})
}

// Stats asks what the workers have done, and are doing.
func (c Control) Stats(ctx context.Context) ([]Answer[Stats], error) {
	return ask[Stats](ctx, c, "stats", order{})
}

// Shutdown ends the workers as the context of [Worker.Run] does: they take no more
// tasks, and end when those that run have.
func (c Control) Shutdown(ctx context.Context) ([]Answer[string], error) {
	return ask[string](ctx, c, shutdown, order{})
}

// SetConcurrency changes how many tasks the workers run at once, until they end.
// With fewer than run, none is interrupted.
func (c Control) SetConcurrency(ctx context.Context, n int) ([]Answer[int], error) {
	return ask[int](ctx, c, "concurrency", order{Concurrency: n})
}

// AddQueue has the workers take tasks from a queue too, until they end.
func (c Control) AddQueue(ctx context.Context, queue string) ([]Answer[string], error) {
	return ask[string](ctx, c, "add_consumer", order{Queue: queue})
}

// CancelQueue has the workers take tasks from a queue no more, until they end.
// [App.Pause] is for all workers, and stays.
func (c Control) CancelQueue(ctx context.Context, queue string) ([]Answer[string], error) {
	return ask[string](ctx, c, "cancel_consumer", order{Queue: queue})
}

// ask asks, and gathers the answers in the order of the names.
func ask[T any](ctx context.Context, c Control, what string, o order) ([]Answer[T], error) {
	cl, err := c.app.connected()
	if err != nil {
		return nil, err
	}
	q := &question{want: make(map[string]presence), got: make(map[string]heard)}
	if err := cl.ask(ctx, q, what, c.names, o); err != nil {
		return nil, fmt.Errorf("ask workers: %s: %w", what, err)
	}
	list := []Answer[T]{}
	for _, h := range q.got {
		a := Answer[T]{Worker: h.Worker}
		if h.Error != "" {
			a.Err = errors.New(h.Error)
		} else if err := json.Unmarshal(h.Value, &a.Value); err != nil {
			a.Err = fmt.Errorf("read the answer: %w", err)
		}
		list = append(list, a)
	}
	for _, p := range q.want {
		list = append(list, Answer[T]{Worker: p.Name, Err: ErrNoAnswer})
	}
	slices.SortStableFunc(list, func(a, b Answer[T]) int { return cmp.Compare(a.Worker, b.Worker) })
	return list, nil
}

// A question has whose answers are missing, and those that came, by the ids of the
// workers: two may have one name.
type question struct {
	want map[string]presence
	got  map[string]heard
}

type heard struct {
	ID     string          `json:"id"`
	Worker string          `json:"hostname"`
	Value  json.RawMessage `json:"value"`
	Error  string          `json:"error"`
}

func (c *client) ask(ctx context.Context, q *question, what string, names []string, o order) error {
	there, err := c.presences(ctx)
	if err != nil {
		return err
	}
	for id, p := range there {
		if len(names) == 0 || slices.Contains(names, p.Name) {
			q.want[id] = p
		}
	}
	for _, name := range names {
		if !q.wants(name) {
			return fmt.Errorf("%q: %w", name, ErrNoWorker)
		}
	}
	if len(q.want) == 0 {
		return nil
	}
	o.Destination = names
	return c.request(ctx, q, what, o)
}

func (q *question) wants(name string) bool {
	for _, p := range q.want {
		if p.Name == name {
			return true
		}
	}
	return false
}

// request sends a question to all workers, and waits for the answers.
func (c *client) request(ctx context.Context, q *question, what string, o order) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	text, err := jsontext.Marshal(o)
	if err != nil {
		return err
	}
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := c.nc.PublishRequest(c.session.VHost()+".control."+what, inbox, text); err != nil {
		return err
	}
	for len(q.want) > 0 {
		msg, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) {
			return nil // what is missing is missing
		}
		if err != nil {
			return err
		}
		q.heard(msg)
	}
	return nil
}

func (q *question) heard(msg *nats.Msg) {
	var h heard
	if err := json.Unmarshal(msg.Data, &h); err != nil || h.ID == "" {
		return // no answer of a worker's
	}
	delete(q.want, h.ID)
	q.got[h.ID] = h
}
