package workers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"warren/streams"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// A Level is how urgent a task is among those that wait in its queue. The zero
// value is Normal.
type Level int8

// The levels. Of two tasks that wait in one queue, the one of the higher level is
// begun first; of one level, the one that was sent first.
const (
	Low Level = iota - 1
	Normal
	High
)

// levels are all of them, the most urgent first.
var levels = []Level{High, Normal, Low}

// Priority is how urgent the task is among those of its queue: Celery's priority. A
// retry keeps it; a step of a canvas has its own. Default: Normal.
func Priority(l Level) Option {
	return func(s *settings) {
		if l < Low || l > High {
			s.refuse("priority %d is no level; use Low, Normal or High", l)
			return
		}
		number := l.number()
		s.Priority = &number
	}
}

func (l Level) String() string {
	switch l {
	case Low:
		return "low"
	case High:
		return "high"
	}
	return "normal"
}

// number is the priority that messages of a level have, as AMQP counts: the higher
// one first.
func (l Level) number() uint8 {
	switch l {
	case Low:
		return 1
	case High:
		return 9
	}
	return 5
}

// levelOf is the level of a priority. 0 is what Celery sends where none is given.
func levelOf(number uint8) Level {
	switch {
	case number == 0:
		return Normal
	case number < 4:
		return Low
	case number > 6:
		return High
	}
	return Normal
}

// Level is how urgent the task is, by its Priority: 7 and more is High, 1 to 3 is
// Low, and everything else, 0 among it, Normal.
func (m *Message) Level() Level { return levelOf(m.Priority) }

// reserved is what the names of Warren's own queues begin with.
const reserved = "warren."

// queue is where the tasks of a level wait that were sent to a queue.
func (l Level) queue(name string) string {
	if l == Normal {
		return name
	}
	return reserved + l.String() + "." + name
}

// checkQueue refuses what cannot be the name of a queue for tasks of a level.
func checkQueue(name string, l Level) error {
	most := longestKey
	if l != Normal {
		most -= len(levelKey("", l))
	}
	switch {
	case name == "":
		return celery.Permanent(errors.New("the name of the queue is empty"))
	case strings.HasPrefix(name, reserved):
		return celery.Permanent(fmt.Errorf("queue %q: names that begin with %q are Warren's own; use another", jsontext.Clip([]byte(name)), reserved))
	case strings.HasPrefix(name, "amq."):
		return celery.Permanent(fmt.Errorf("queue %q: names that begin with \"amq.\" are the broker's own; use another", jsontext.Clip([]byte(name))))
	case len(name) > most:
		return celery.Permanent(fmt.Errorf("queue %q: the name has %d bytes; use %d at most for tasks of %s priority", jsontext.Clip([]byte(name)), len(name), most, l))
	case !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\r\n"):
		return celery.Permanent(fmt.Errorf("queue %q: use UTF-8 without line breaks and zero bytes", jsontext.Clip([]byte(name))))
	}
	return nil
}

// levelPrefix begins the keys of levels that a queue has. A queue gets one with the
// first task of it, and workers are told by the key.
const levelPrefix = "control.level."

// levelKey is the key of a level of a queue.
func levelKey(queue string, l Level) string { return levelPrefix + l.String() + "." + queue }

// parseLevelKey undoes levelKey.
func parseLevelKey(key string) (queue string, l Level, ok bool) {
	for _, l := range levels {
		if queue, ok := strings.CutPrefix(key, levelKey("", l)); ok {
			return queue, l, true
		}
	}
	return "", Normal, false
}

// declare makes sure, once, that a task queue is there, and that workers know of the
// level.
func (c *client) declare(ctx context.Context, queue string, l Level) error {
	c.mu.Lock()
	declared := c.declared[l.queue(queue)]
	c.mu.Unlock()
	if declared {
		return nil
	}
	if err := checkQueue(queue, l); err != nil {
		return err
	}
	if l != Normal {
		if err := c.declare(ctx, queue, Normal); err != nil {
			return err
		}
	}
	if _, err := c.session.DeclareQueue(ctx, streams.Queue{Name: l.queue(queue), Durable: true}); err != nil {
		return err
	}
	if l != Normal {
		put := streams.Put{Key: levelKey(queue, l), Value: []byte("{}"), TTL: forGood, Expect: streams.Absent}
		if _, err := c.store.Put(ctx, put); err != nil && !errors.Is(err, streams.ErrConflict) {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.declared[l.queue(queue)] = true
	return nil
}

func (c *client) forget(queue string, l Level) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.declared, l.queue(queue))
}
