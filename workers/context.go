package workers

import (
	"context"
	"time"
)

// runKey is where a task's context has its run.
type runKey struct{}

// Request is what a task can know of the call it runs for: Celery's
// self.request.
type Request struct {
	ID, Task, RootID, ParentID, Group string
	// Retries counts the attempts before this one.
	Retries int
	Queue   string
	// Priority is how urgent it was in the queue.
	Priority Level
	Worker   string
	// Scheduled is when the run of an entry of package workers/beat that this belongs to
	// was due; zero if it belongs to none.
	Scheduled time.Time
	// Headers are those of the call. They are not to be changed.
	Headers map[string]string
}

// RequestOf gives the request of a task's context; false says that the context
// is not a task's, as in Call.
func RequestOf(ctx context.Context) (Request, bool) {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return Request{}, false
	}
	return r.request(), true
}

func (r *run) request() Request {
	m := r.m
	var scheduled time.Time
	if due := m.Headers[headerScheduled]; due != "" {
		scheduled, _ = time.Parse(time.RFC3339Nano, due)
	}
	return Request{
		ID: m.ID, Task: m.Task, RootID: m.RootID, ParentID: m.ParentID, Group: m.Group,
		Retries: m.Retries, Queue: m.Queue, Priority: m.Level(), Worker: r.w.cfg.Name, Headers: m.Headers,
		Scheduled: scheduled,
	}
}
