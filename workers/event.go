package workers

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"warren/workers/internal/jsontext"
)

// The types of events, as Celery calls them. There is no task-sent: that a task was
// sent is in its record.
const (
	TaskReceived    = "task-received"
	TaskStarted     = "task-started"
	TaskSucceeded   = "task-succeeded"
	TaskFailed      = "task-failed"
	TaskRetried     = "task-retried"
	TaskRevoked     = "task-revoked"
	TaskRejected    = "task-rejected"
	WorkerOnline    = "worker-online"
	WorkerHeartbeat = "worker-heartbeat"
	WorkerOffline   = "worker-offline"
)

// An Event is what happened in a worker, in Celery's words and layout. What an
// event of its type does not say is left out.
type Event struct {
	Type string `json:"type"`
	// Hostname is the name of the worker.
	Hostname  string    `json:"hostname"`
	Timestamp timestamp `json:"timestamp"`
	PID       int       `json:"pid"`

	// Of a task.
	UUID     string `json:"uuid,omitempty"`
	Name     string `json:"name,omitempty"`
	RootID   string `json:"root_id,omitempty"`
	ParentID string `json:"parent_id,omitempty"`
	Queue    string `json:"queue,omitempty"`
	Retries  int    `json:"retries,omitempty"`
	// Args and Kwargs are JSON, cut short.
	Args   string `json:"args,omitempty"`
	Kwargs string `json:"kwargs,omitempty"`
	// Result is JSON, cut short.
	Result string `json:"result,omitempty"`
	// Runtime is how long a task that succeeded has run.
	Runtime   Seconds `json:"runtime,omitzero"`
	Exception string  `json:"exception,omitempty"`
	Traceback string  `json:"traceback,omitempty"`
	// Expired says of a task that was revoked that it was not begun in time.
	Expired bool `json:"expired,omitempty"`

	// Of a worker: how often it says that it is there, what it runs, and how many
	// tasks have ended in it.
	Freq      Seconds `json:"freq,omitzero"`
	Active    int     `json:"active,omitempty"`
	Processed int     `json:"processed,omitempty"`
}

// timestamp is a time that Celery writes as seconds since 1970.
type timestamp struct{ time.Time }

// MarshalJSON writes seconds.
func (t timestamp) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.6f", float64(t.UnixMicro())/1e6), nil
}

// UnmarshalJSON reads seconds.
func (t *timestamp) UnmarshalJSON(text []byte) error {
	var s float64
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if s < 0 || s > math.MaxInt32*1e3 {
		return fmt.Errorf("%v is no time", s)
	}
	t.Time = time.UnixMicro(int64(math.Round(s * 1e6)))
	return nil
}

// ofTask is an event of a task.
func (m *Message) ofTask(kind string) Event {
	return Event{
		Type: kind, UUID: m.ID, Name: m.Task, RootID: m.RootID, ParentID: m.ParentID,
		Queue: m.Queue, Retries: m.Retries,
	}
}

// clipped are the arguments as JSON, cut short.
func (m *Message) clipped() (args, kwargs string) {
	list, _ := jsontext.Marshal(displayAll(m.Args)) // it was JSON
	byName, _ := jsontext.Marshal(displayByName(m.Kwargs))
	if len(m.Kwargs) == 0 {
		byName = nil
	}
	return jsontext.Clip(list), jsontext.Clip(byName)
}

// ended are the types of the events that records tell of.
var ended = map[State]string{
	Succeeded: TaskSucceeded, Failed: TaskFailed, Revoked: TaskRevoked, Retrying: TaskRetried,
}

// event is what a record tells.
func (r *run) event(rec record) Event {
	e := r.m.ofTask(ended[rec.Status])
	switch {
	case rec.Status == Succeeded:
		e.Result, e.Runtime = jsontext.Clip(display(rec.Result)), Seconds(time.Since(r.start))
	case rec.Failure != nil:
		e.Exception = rec.Failure.Type + ": " + rec.Failure.Message
		e.Traceback = rec.Failure.Traceback
		e.Expired = rec.Failure.Type == expiredType
	}
	return e
}
