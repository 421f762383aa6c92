package workers

import (
	"cmp"
	"context"
	"os"
	"slices"
	"time"
)

// Stats are what a worker has done, and what it is doing.
type Stats struct {
	PID int `json:"pid"`
	// Uptime is how long it has been there.
	Uptime      Seconds `json:"uptime"`
	Concurrency int     `json:"concurrency"`
	// Running are the places that are taken, and Oldest how long ago the first of
	// them was.
	Running int     `json:"running"`
	Oldest  Seconds `json:"oldest"`
	// Queues are those it takes tasks from, Paused those it would.
	Queues []string `json:"queues"`
	Paused []string `json:"paused"`
	// Total counts the tasks that have ended, by name; States by what came of
	// them, retries among them.
	Total  map[string]int `json:"total"`
	States map[State]int  `json:"states"`
}

// ActiveTask is a task in the hands of a worker.
type ActiveTask struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Args and Kwargs are JSON, cut short; empty before its code is called.
	Args   string `json:"args,omitempty"`
	Kwargs string `json:"kwargs,omitempty"`
	Queue  string `json:"queue"`
	// Priority is AMQP's: 0 where none was given.
	Priority uint8     `json:"priority"`
	Retries  int       `json:"retries"`
	Began    time.Time `json:"time_start"`
	// Age is how long it has had its place, by the worker's clock: what tells a
	// task that hangs from one that runs.
	Age Seconds `json:"age"`
	// Cancelled is why its context has ended; empty while it has not. A task that
	// goes on behind it does not look at its context.
	Cancelled string `json:"cancelled,omitempty"`
}

// stats looks at the worker.
func (w *Worker) stats() Stats {
	s := Stats{PID: os.Getpid(), Uptime: Seconds(time.Since(w.since)), Concurrency: w.intake.tasks.Limit()}
	s.Queues, s.Paused = w.intake.queues()
	s.Total, s.States = w.tally.all()
	s.Running, s.Oldest = w.places()
	return s
}

// places counts the places that are taken, and says how long ago the first of them
// was.
func (w *Worker) places() (taken int, oldest Seconds) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.active {
		if !r.vacated.Load() {
			taken++
			oldest = max(oldest, Seconds(time.Since(r.start)))
		}
	}
	return taken, oldest
}

// slots are the tasks whose code has been called, or those whose code has not
// yet, the oldest first.
func (w *Worker) slots(called bool) []ActiveTask {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []ActiveTask{}
	for _, r := range w.active {
		if r.called.Load() == called {
			list = append(list, r.look())
		}
	}
	slices.SortFunc(list, func(a, b ActiveTask) int { return cmp.Compare(b.Age, a.Age) })
	return list
}

func (r *run) look() ActiveTask {
	a := ActiveTask{
		ID: r.m.ID, Name: r.m.Task, Queue: r.m.Queue, Priority: r.m.Priority, Retries: r.m.Retries,
		Began: r.began, Age: Seconds(time.Since(r.start)),
	}
	if r.called.Load() {
		a.Args, a.Kwargs = r.m.clipped()
	}
	if r.ctx.Err() != nil {
		a.Cancelled = context.Cause(r.ctx).Error()
	}
	return a
}
