package workers

import (
	"context"
	"encoding/json"
	"slices"

	"warren/workers/internal/canvas"
	"warren/workers/internal/guard"
)

// Middleware stands around what an app does: the sending of its tasks, and their
// running in its workers. Either may be nil. Those of [Config.Middleware] stand
// around one another, the first outermost.
type Middleware struct {
	// Send stands around the sending of a task, in whoever sends it: a client, or
	// the worker that sends what follows a task. It may change the headers of the
	// message. An error keeps the task from being sent; a panic, and the end of its
	// goroutine by runtime.Goexit, are errors too.
	Send func(next SendFunc) SendFunc
	// Run stands around the code of a task. What it returns is what the task comes
	// to; a panic goes through it, and so does runtime.Goexit.
	Run func(next RunFunc) RunFunc
}

// SendFunc begins to send a task.
type SendFunc func(ctx context.Context, m *Message) error

// RunFunc runs the code of a task and gives its result as JSON.
type RunFunc func(ctx context.Context, r Request) (json.RawMessage, error)

// aroundSend puts the middleware around the sending of a task.
func (c Config) aroundSend(send SendFunc) SendFunc {
	if !slices.ContainsFunc(c.Middleware, func(m Middleware) bool { return m.Send != nil }) {
		return send
	}
	return func(ctx context.Context, m *Message) error {
		return guard.Run("middleware around sending", func() error { return c.wrapSend(send)(ctx, m) })
	}
}

func (c Config) wrapSend(send SendFunc) SendFunc {
	for i := len(c.Middleware) - 1; i >= 0; i-- {
		if wrap := c.Middleware[i].Send; wrap != nil {
			send = wrap(send)
		}
	}
	return send
}

// aroundRun puts the middleware around the code of a task.
func (c Config) aroundRun(run RunFunc) RunFunc {
	for i := len(c.Middleware) - 1; i >= 0; i-- {
		if wrap := c.Middleware[i].Run; wrap != nil {
			run = wrap(run)
		}
	}
	return run
}

// SetHeader sets a header of a task that is about to be sent.
func (m *Message) SetHeader(name, value string) {
	m.Headers = canvas.WithHeader(m.Headers, name, value)
}
