package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"
)

// ScheduledTask is a task that waits in the server for its time: for its countdown
// or ETA, or to be retried.
type ScheduledTask struct {
	ID      string                     `json:"id"`
	Name    string                     `json:"name"`
	Args    []json.RawMessage          `json:"args"`
	Kwargs  map[string]json.RawMessage `json:"kwargs"`
	Queue   string                     `json:"queue"`
	Retries int                        `json:"retries"`
	ETA     time.Time                  `json:"eta"`
	// Priority is AMQP's: 0 where none was given.
	Priority uint8 `json:"priority"`
}

// Scheduled ranges over the tasks that wait for their time, in the order in which
// they were sent, and ends with an error if there is one. They wait in no worker,
// so none is asked.
func (a *App) Scheduled(ctx context.Context) iter.Seq2[ScheduledTask, error] {
	return func(yield func(ScheduledTask, error) bool) {
		c, err := a.connected()
		if err != nil {
			yield(ScheduledTask{}, err)
			return
		}
		for s, err := range c.session.Scheduled(ctx, laterQueue) {
			if err != nil {
				yield(ScheduledTask{}, fmt.Errorf("list scheduled tasks: %w", err))
				return
			}
			m, err := decodeMessage(s.Message)
			if err != nil {
				m = &Message{ID: s.ID} // no task: that it waits is all there is to say
			}
			if !yield(ScheduledTask{m.ID, m.Task, displayAll(m.Args), displayByName(m.Kwargs), m.Queue, m.Retries, s.At, m.Priority}, nil) {
				return
			}
		}
	}
}
