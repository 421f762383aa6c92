package workers

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/guard"
	"warren/workers/internal/jsontext"
)

// receive reads a task from a queue. What is to follow it is frozen already when
// it was sent from here; of other programs it is frozen now, and gets the same
// ids each time. With an error it gives the task that is refused, without what is
// wrong with it, or nil for what is none.
// The expiration of AMQP counts from when the message was stored.
func (c *client) receive(in streams.Message, stored time.Time) (*Message, error) {
	m, err := decodeMessage(in)
	if m == nil {
		return nil, err
	}
	if err = errors.Join(err, m.expire(&in, stored)); err != nil {
		err = fmt.Errorf("%w: %w", ErrDecode, err)
	}
	if in.Headers["lang"] != "go" {
		m.received = maps.Clone(m.received)
		m.received["lang"] = "go" // should it be sent again
		err = errors.Join(err, c.adoptAll(m))
	}
	if err == nil {
		err = m.check()
	}
	switch unnamed := celery.CheckID(m.ID); {
	case unnamed != nil:
		return nil, errors.Join(err, unnamed)
	case err != nil:
		m.strip()
	}
	return m, err
}

// foreign reports whether another program has sent the task straight to its queue: of
// those that are sent from here, each says where to.
func (m *Message) foreign() bool {
	_, queued := m.received[headerQueue]
	return !queued || m.received["lang"] != "go"
}

// expire obeys AMQP's expiration, which Celery sets with the header expires: what
// comes first counts.
func (m *Message) expire(in *streams.Message, stored time.Time) error {
	if in.Expiration == "" {
		return nil
	}
	life, ok := in.Lifetime()
	if !ok {
		return fmt.Errorf("property expiration %q is no number of milliseconds", in.Expiration)
	}
	at := stored.Add(life).UTC()
	if m.Expires.IsZero() || at.Before(m.Expires) {
		m.Expires = at
	}
	return nil
}

// adoptAll adopts what is to follow a task; where that is refused, nothing is called
// back.
func (c *client) adoptAll(m *Message) error {
	if len(m.Embed.Callbacks)+len(m.Embed.Errbacks)+len(m.Embed.Chain) == 0 {
		return nil
	}
	err := guard.Run("read what follows the task", func() error { return c.adopt(m) }) // types read themselves
	if err != nil {
		m.Embed.Callbacks, m.Embed.Errbacks = nil, nil
		return celery.Permanent(err)
	}
	return nil
}

// strip takes away what nobody can keep of a task that is refused.
func (m *Message) strip() {
	if celery.CheckTask(m.Task) != nil {
		m.Task = jsontext.Clip([]byte(m.Task))
	}
	for _, id := range []*string{&m.RootID, &m.ParentID, &m.Group} {
		if len(*id) > longestKey {
			*id = ""
		}
	}
	if m.Queue != "" && checkQueue(m.Queue, Normal) != nil {
		m.Queue = ""
	}
	if m.checkChord() != nil {
		m.Embed.Chord = nil
	}
}

// completeForeign completes what another program has sent along. A task that this app does
// not know, and that is given no queue, is meant for the default queue of Celery's
// clients, and not for this app's.
func (c *client) completeForeign(sig *Signature, before reflect.Type) (reflect.Type, error) {
	if c.app.lookup(sig.Task) == nil && sig.Options.Queue == "" && !c.routed(sig.Task) {
		sig.Options.Queue = celeryQueue
	}
	return c.complete(sig, before)
}

func (c *client) adopt(m *Message) error {
	n := 0
	f := canvas.NewFreezer(func() string {
		n++
		return m.ID + "=" + strconv.Itoa(n)
	}, c.completeForeign)
	e := &m.Embed
	for _, list := range [][]Signature{e.Callbacks, e.Errbacks, e.Chain} {
		for i := range list {
			if err := canvas.Measure(&list[i]); err != nil {
				return err
			}
		}
	}
	e.Callbacks = f.Callbacks(e.Callbacks, canvas.Any)
	e.Errbacks = f.Callbacks(e.Errbacks, reflect.TypeFor[Failure]())
	if len(e.Chain) > 0 {
		e.Chain = f.Rest(e.Chain)
	}
	return f.Err()
}
