package workers

import (
	"fmt"
	"strings"

	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// What is checked of every task of a canvas before anything of it is sent, and again
// of every task that comes from a queue: another program may have sent it, or an
// earlier version of this one.

// checkCall refuses a call that no task can be sent of.
func checkCall(s *Signature) error {
	o := s.Options
	if o.TaskID != "" {
		if err := celery.CheckID(o.TaskID); err != nil {
			return err
		}
	}
	if err := celery.CheckTask(s.Task); err != nil {
		return err
	}
	level := Normal
	if o.Priority != nil {
		level = levelOf(*o.Priority)
	}
	if err := checkQueue(o.Queue, level); err != nil {
		return fmt.Errorf("%s: %w", canvas.Title(*s), err)
	}
	if err := checkHeaders(o.Headers); err != nil && s.Task != canvas.PlanTask {
		return fmt.Errorf("%s: %w", canvas.Title(*s), err)
	}
	return nil
}

// checkHeaders refuses headers that have a meaning of their own.
func checkHeaders(headers map[string]string) error {
	for name := range headers {
		if taskHeaders[name] || celeryHeaders[name] || strings.HasPrefix(name, ourPrefix) {
			return celery.Permanent(fmt.Errorf("header %q is the task's own; choose another name", name))
		}
		if len(name) > longestKey {
			return celery.Permanent(fmt.Errorf("the name of header %q has %d bytes; use %d at most", jsontext.Clip([]byte(name)), len(name), longestKey))
		}
	}
	return nil
}

// check refuses a task of which nobody could keep what becomes of it.
func (m *Message) check() error {
	if err := celery.CheckID(m.ID); err != nil {
		return err
	}
	if err := celery.CheckTask(m.Task); err != nil {
		return err
	}
	for name, id := range map[string]string{"root_id": m.RootID, "parent_id": m.ParentID, "group": m.Group} {
		if len(id) > longestKey {
			return celery.Permanent(fmt.Errorf("%s %q has %d bytes; use %d at most", name, jsontext.Clip([]byte(id)), len(id), longestKey))
		}
	}
	if m.Queue != "" {
		if err := checkQueue(m.Queue, Normal); err != nil {
			return err
		}
	}
	if m.Retry != nil {
		if err := celery.CheckRetry(*m.Retry); err != nil {
			return celery.Permanent(err)
		}
	}
	if err := celery.CheckDue(m.ETA); err != nil {
		return err
	}
	return m.checkChord()
}

// checkToSend refuses a task that cannot be sent.
func (m *Message) checkToSend() error {
	if err := m.check(); err != nil {
		return err
	}
	return checkQueue(m.Queue, m.Level())
}

// checkChord refuses a member of a group that has no place in it.
func (m *Message) checkChord() error {
	if m.Embed.Chord == nil || m.foreignChord() {
		return nil
	}
	o := m.Embed.Chord.Options
	if err := celery.CheckID(o.GroupID); err != nil {
		return fmt.Errorf("chord: %w", err)
	}
	if o.ChordSize < 1 || o.ChordSize > canvas.Widest || m.GroupIndex < 0 || m.GroupIndex >= o.ChordSize {
		return celery.Permanent(fmt.Errorf("chord: it is member %d of a group of %d", m.GroupIndex, o.ChordSize))
	}
	return nil
}
