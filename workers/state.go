package workers

import (
	"encoding/json"
	"time"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// State is what has become of a task, in Celery's words.
type State string

// The states. Unlike in Celery, a task that waits is told from one that nobody
// knows.
const (
	Unknown   State = "UNKNOWN"
	Pending   State = "PENDING"
	Received  State = "RECEIVED"
	Started   State = "STARTED"
	Retrying  State = "RETRY"
	Succeeded State = "SUCCESS"
	Failed    State = "FAILURE"
	Revoked   State = "REVOKED"
)

// Ready reports whether a task has ended.
func (s State) Ready() bool { return s == Succeeded || s == Failed || s == Revoked }

// record is what is kept of a task, in the layout Celery keeps it in.
type record struct {
	Status State `json:"status"`
	// Result is the value of a success.
	Result json.RawMessage `json:"result,omitempty"`
	// Failure is why it failed, was revoked, or is to be retried.
	Failure  *Failure  `json:"failure,omitempty"`
	Task     string    `json:"name,omitempty"`
	ID       string    `json:"task_id,omitempty"`
	RootID   string    `json:"root_id,omitempty"`
	ParentID string    `json:"parent_id,omitempty"`
	Group    string    `json:"group_id,omitempty"`
	Queue    string    `json:"queue,omitempty"`
	Worker   string    `json:"worker,omitempty"`
	Children []string  `json:"children,omitempty"`
	Done     time.Time `json:"date_done,omitzero"`
	Began    time.Time `json:"date_started,omitzero"`
	// ETA is when a task that waits for its time is due.
	ETA time.Time `json:"eta,omitzero"`
	// Meta is what the task told of its progress.
	Meta json.RawMessage `json:"meta,omitempty"`
	// Retries counts the attempts before the one this is of.
	Retries int `json:"retries,omitempty"`
	// Losses counts the workers that were lost while they ran this attempt.
	Losses int `json:"losses,omitempty"`
}

// recordJSON is how a record is kept: with where its result is, if it is kept apart.
type recordJSON struct {
	plainRecord
	ResultAt *celery.Claim `json:"result_at,omitempty"`
}

type plainRecord record

// MarshalJSON writes the record.
func (r record) MarshalJSON() ([]byte, error) {
	out := recordJSON{plainRecord: plainRecord(r)}
	out.Result, out.ResultAt = celery.Apart(r.Result)
	return jsontext.Marshal(out)
}

// UnmarshalJSON reads a record.
func (r *record) UnmarshalJSON(text []byte) error {
	var in recordJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*r = record(in.plainRecord)
	var err error
	r.Result, err = celery.Together(in.Result, in.ResultAt)
	return err
}

// begun reports whether an attempt has begun, by the record of its task.
func (r record) begun(retries int) bool {
	return r.Status.Ready() || r.Retries > retries || r.Retries == retries && r.Status != Retrying
}

// about begins the record of a task.
func (m *Message) about(s State) record {
	r := record{Status: s, Task: m.Task, ID: m.ID, ParentID: m.ParentID, Group: m.Group, Queue: m.Queue, Retries: m.Retries}
	if m.RootID != m.ID {
		r.RootID = m.RootID
	}
	return r
}
