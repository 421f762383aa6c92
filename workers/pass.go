package workers

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"warren/workers/internal/canvas"
)

// Workers of several apps may take from one queue: all of them from "celery", the
// default queue of Celery's clients. A worker that gets a task it does not know hands
// it back while another one is there that knows it and takes from its queue. It waits
// in the server meanwhile, longer each time. When nobody is there, a worker's own
// queue is where the task should have been known, and it fails at once; on another
// queue whoever knows it may be about to be started again.

const (
	// shortestPass and longestPass are how long a task waits that is handed back.
	shortestPass = 100 * time.Millisecond
	longestPass  = 5 * time.Second
	// unclaimedFor is how long nobody may be there who knows a task.
	unclaimedFor = time.Minute
)

// celeryQueue is the default queue of Celery's clients.
const celeryQueue = "celery"

// passOn hands back a task that this worker does not know. It is done when the task
// waits for another worker; otherwise it is this one's, to fail if it does not know it.
func (r *run) passOn(ctx context.Context) (done bool, err error) {
	name := r.needs()
	if name == "" || r.w.app.lookup(name) != nil || r.calledOff() {
		return false, nil
	}
	by, err := r.w.whoKnows(ctx, name, r.m.Queue)
	if err != nil {
		return false, err
	}
	next := *r.m
	wait := min(shortestPass<<min(next.passes, 10), longestPass)
	switch {
	case by != "":
		next.unclaimed = 0
	case r.m.Queue == r.w.c.cfg.Queue || r.m.unclaimed >= unclaimedFor:
		return false, nil
	default:
		next.unclaimed += wait
	}
	next.passes++
	r.w.unknown.log(r.w, name, r.m.Queue, by)
	return true, r.w.sendLater(ctx, &next, r.w.c.now().Add(wait))
}

// needs is the task that a worker has to know to run this one; empty if it is none
// that could be known.
func (r *run) needs() string {
	switch r.m.Task {
	case mapTask, canvas.StarmapTask:
		var inner Signature
		_ = json.Unmarshal(r.m.Kwargs["task"], &inner) // what is none fails for that
		return inner.Task
	case canvas.PlanTask:
		return ""
	}
	if r.m.foreignChord() {
		return ""
	}
	return r.m.Task
}

// calledOff reports whether the task is not to be run by anybody any more.
func (r *run) calledOff() bool {
	m := r.m
	expired := !m.Expires.IsZero() && r.w.c.now().After(m.Expires)
	return expired || r.w.revoked.has(m.ID) || r.w.revoked.has(m.RootID)
}

// sendLater sends a task again, to begin at a time.
func (w *Worker) sendLater(ctx context.Context, m *Message, at time.Time) error {
	m.ETA = at
	s, err := w.c.dispatch(ctx, m, w.c.now())
	if err != nil {
		return err
	}
	return s.wait(ctx)
}

// mates are the other workers, as they were a moment ago.
type mates struct {
	mu      sync.Mutex
	asked   time.Time
	there   map[string]presence
	catalog map[string][]string // the tasks of a catalogue, sorted
}

// lookAgain is after how long a worker looks again which others are there.
const lookAgain = time.Second

// whoKnows names another worker that is there, knows a task and takes from a queue.
func (w *Worker) whoKnows(ctx context.Context, task, queue string) (name string, err error) {
	o := &w.mates
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.asked) > lookAgain {
		if o.there, err = w.c.presences(ctx); err != nil {
			return "", err
		}
		o.asked = time.Now()
	}
	for id, p := range o.there {
		if id == w.id || !slices.Contains(p.Queues, queue) {
			continue
		}
		tasks, err := o.tasks(ctx, w.c, p.Tasks)
		if err != nil {
			return "", err
		}
		if _, knows := slices.BinarySearch(tasks, task); knows {
			return p.Name, nil
		}
	}
	return "", nil
}

// tasks are those of a catalogue. The lock is held.
func (o *mates) tasks(ctx context.Context, c *client, catalogue string) ([]string, error) {
	if list, ok := o.catalog[catalogue]; ok || catalogue == "" {
		return list, nil
	}
	list, err := c.catalogue(ctx, catalogue)
	if err != nil {
		return nil, err
	}
	if o.catalog == nil {
		o.catalog = make(map[string][]string)
	}
	o.catalog[catalogue] = list
	return list, nil
}

// unknowns are the tasks of which it was said that they are handed back.
type unknowns struct {
	mu   sync.Mutex
	said map[string]bool
}

// mostUnknowns is of how many tasks that is said: anybody can make up names.
const mostUnknowns = 1000

// log says once of a task that it is handed back, and to whom.
func (u *unknowns) log(w *Worker, task, queue, by string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := task + "\x00" + queue
	if by != "" {
		key += "\x00" // another story
	}
	if u.said[key] || len(u.said) >= mostUnknowns {
		return
	}
	if u.said == nil {
		u.said = make(map[string]bool)
	}
	u.said[key] = true
	if by != "" {
		w.log.Warn("this worker has no such task; it hands it back to its queue, from which a worker takes that has it",
			"task", task, "queue", queue, "known_by", by)
		return
	}
	w.log.Warn("no worker that takes from the queue has such a task; it is handed back until one does, and fails if none comes",
		"task", task, "queue", queue, "within", unclaimedFor)
}
