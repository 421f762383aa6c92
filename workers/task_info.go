package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// TaskInfo is what is recorded of a task beside its result: Celery's extended
// results.
type TaskInfo struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State State  `json:"state"`
	// Root is the task that began the canvas, Parent the one that this follows;
	// Group is the group it is a member of. They are empty where there is none.
	Root   string `json:"root_id,omitempty"`
	Parent string `json:"parent_id,omitempty"`
	Group  string `json:"group_id,omitempty"`
	Queue  string `json:"queue,omitempty"`
	// Worker is who runs it, or ran it last, and Began when; zero before.
	Worker string    `json:"worker,omitempty"`
	Began  time.Time `json:"date_started,omitzero"`
	// Done is when it ended; zero before.
	Done time.Time `json:"date_done,omitzero"`
	// Retries counts the attempts before the last one.
	Retries int `json:"retries,omitempty"`
	// Children are the tasks that its end has called: its callbacks or error
	// callbacks, and what follows it in a chain, each member of a group.
	Children []string `json:"children,omitempty"`
}

// errGroupInfo is that a group is no task.
var errGroupInfo = errors.New("a group is no task; ask its Members")

// Info is what is recorded of the task. One that nobody knows is ErrUnknown. A
// group has no record of its own, only its [Result.Members] have.
func (r *Result[R]) Info(ctx context.Context) (TaskInfo, error) {
	if r.h.cell == nil {
		return TaskInfo{}, fmt.Errorf("look at group %s: %w", r.ID(), errGroupInfo)
	}
	rec, err := r.h.c.read(ctx, r.ID())
	if err != nil {
		return TaskInfo{}, fmt.Errorf("look at task %s: %w", r.ID(), err)
	}
	info := TaskInfo{
		ID: r.ID(), Name: rec.Task, State: rec.Status, Root: rec.RootID, Parent: rec.ParentID, Group: rec.Group,
		Queue: rec.Queue, Worker: rec.Worker, Began: rec.Began, Retries: rec.Retries, Children: rec.Children,
	}
	if rec.Status.Ready() {
		info.Done = rec.Done
	}
	return info, nil
}

// Children are handles on the tasks that the end of this one has called: its
// callbacks or error callbacks, and what follows it in a chain, each member of a
// group. There are none before the end. The body of a chord is nobody's child, as
// all of the header call it together; its handle has the header as its
// [Result.Parent]. The children of a group are its [Result.Members].
func (r *Result[R]) Children(ctx context.Context) ([]*Result[json.RawMessage], error) {
	if r.h.cell == nil {
		return r.Members(), nil
	}
	info, err := r.Info(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]*Result[json.RawMessage], len(info.Children))
	for i, id := range info.Children {
		list[i] = &Result[json.RawMessage]{&handle{c: r.h.c, cell: r.h.c.results.cell(id), claimed: true}}
	}
	return list, nil
}
