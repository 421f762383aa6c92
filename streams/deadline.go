package streams

import (
	"context"
	"time"
)

// bounded gives a context without a deadline the node's own.
func (l *link) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, l.cfg.Timeout)
}

// deadline is when a context, or else the node's Timeout, ends.
func (l *link) deadline(ctx context.Context) time.Time {
	if deadline, has := ctx.Deadline(); has {
		return deadline
	}
	return time.Now().Add(l.cfg.Timeout)
}

// lastWords is how long a call whose time is up may take to say what it waited
// for.
const lastWords = 100 * time.Millisecond

// A bounder bounds the time of an operation.
type bounder interface {
	bounded(context.Context) (context.Context, context.CancelFunc)
}

// within gives what f gives, or an error when the context ends. The connection
// is locked while a write is under way, so a broker that has stopped reading
// holds up whatever touches the connection for longer than any context allows:
// f runs beside, and may go on until that write has ended. What it then gives
// is undone.
func within[T any](ctx context.Context, b bounder, f func(context.Context) (T, error), undo func(T)) (T, error) {
	ctx, cancel := b.bounded(ctx)
	results := make(chan result[T])
	abandoned := make(chan struct{})
	go func() {
		defer cancel()
		var r result[T]
		r.value, r.err = f(ctx)
		select {
		case results <- r:
		case <-abandoned:
			if r.err == nil {
				undo(r.value)
			}
		}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-results:
		return r.value, r.err
	case <-time.After(lastWords):
		close(abandoned)
		var none T
		return none, ctx.Err()
	}
}

type result[T any] struct {
	value T
	err   error
}

// call is within for what need not be undone.
func call[T any](ctx context.Context, b bounder, f func(context.Context) (T, error)) (T, error) {
	return within(ctx, b, f, func(T) {})
}

// do is within for what gives nothing.
func (l *link) do(ctx context.Context, f func(context.Context) error) error {
	_, err := call(ctx, l, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}
