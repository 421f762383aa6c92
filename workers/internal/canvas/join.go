package canvas

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// A Join is a group whose results are gathered: for what follows it in a chain,
// for the group it is a member of, or for its callbacks. It is recorded once, and
// its members carry its name.
type Join struct {
	ID     string `json:"id"`
	Size   int    `json:"size"`
	Root   string `json:"root_id"`
	Parent string `json:"parent_id,omitempty"`
	// Rest is what follows, the next step last.
	Rest []Signature `json:"rest,omitempty"`
	// Plan is where what follows that is kept; nil for nothing.
	Plan *Plan `json:"chain,omitempty"`
	// Due is when the last of its members is, if not at once.
	Due time.Time `json:"due,omitzero"`
	// Join, Group and Index are where the group itself belongs.
	Join      string            `json:"join,omitempty"`
	JoinSize  int               `json:"join_size,omitempty"`
	JoinDue   time.Time         `json:"join_due,omitzero"`
	Group     string            `json:"group,omitempty"`
	Index     int               `json:"index"`
	Callbacks []Signature       `json:"callbacks,omitempty"`
	Errbacks  []Signature       `json:"errbacks,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	// At is where all of it is kept, if it is large.
	At *celery.Claim `json:"at,omitempty"`
}

// newJoin is the join of a group at a position, whose last member is due at a time.
func newJoin(group Signature, due time.Time, at Position) Join {
	return Join{
		ID: group.Options.GroupID, Size: len(group.Tasks), Due: due, Root: at.Root, Parent: at.Parent,
		Rest: at.Rest, Plan: at.Plan, Join: at.Join, JoinSize: at.Size, JoinDue: at.Due, Group: at.Group, Index: at.Index,
		Callbacks: group.Options.Link, Errbacks: group.Options.LinkError, Headers: at.Headers,
	}
}

// Own is the gathering that the members of a join go into.
func (j *Join) Own() Gathering { return Gathering{j.ID, j.Size, j.Due} }

// Next is the position of what follows a join.
func (j *Join) Next() Position {
	return Position{
		Root: j.Root, Parent: j.Parent, Rest: j.Rest, Plan: j.Plan, Gathering: Gathering{j.Join, j.JoinSize, j.JoinDue},
		Group: j.Group, Index: j.Index, Headers: j.Headers,
	}
}

// Failure is that of what waits for a join of which members have failed.
func (j *Join) Failure(causes []celery.Failure) celery.Failure {
	id, task := j.ID, ""
	if n := len(j.Rest); n > 0 {
		next := j.Rest[n-1]
		id, task = cmp.Or(next.Options.TaskID, next.Options.GroupID), next.Task
	}
	return celery.NewChordFailure(id, task, causes)
}

// Write writes a join. What cannot read plans of chains takes the step that stands
// for one for a task.
func (j Join) Write() (text []byte, err error) {
	if j.Rest, err = WithPlan(j.Rest, j.Plan); err != nil {
		return nil, err
	}
	return jsontext.Marshal(j)
}

// ReadJoin reads the join of a group as it is recorded.
func ReadJoin(id string, text []byte) (*Join, error) {
	j := new(Join)
	err := json.Unmarshal(text, j)
	if err == nil {
		err = j.Check(id)
	}
	if err != nil {
		return nil, celery.Permanent(fmt.Errorf("read group %s: %w", id, err))
	}
	if j.Plan != nil {
		j.Rest = WithoutPlan(j.Rest)
	}
	return j, nil
}

// Check refuses what was not recorded as the group of an id.
func (j *Join) Check(id string) error {
	switch {
	case j.ID != id:
		return fmt.Errorf("it is of group %q", jsontext.Clip([]byte(j.ID)))
	case j.Size < 1 || j.Size > Widest:
		return fmt.Errorf("it has %d members", j.Size)
	case j.Join != "" && (j.JoinSize < 1 || j.JoinSize > Widest || j.Index < 0 || j.Index >= j.JoinSize):
		return fmt.Errorf("it is member %d of a group of %d", j.Index, j.JoinSize)
	}
	if j.Join == "" {
		return j.Plan.Check()
	}
	return errors.Join(celery.CheckID(j.Join), j.Plan.Check())
}
