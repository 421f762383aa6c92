package jsapi

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// AnswerTime is how long an answer may take before the request is sent again.
// A server that has only just started loses some, too.
const AnswerTime = time.Second

// ChangeTime is the same for a change, which servers of a cluster agree on first.
// A leader that goes meanwhile leaves it without an answer.
const ChangeTime = 3 * time.Second

// Ask asks for what only looks, until there is an answer.
func Ask[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	return askAgain(ctx, AnswerTime, ask)
}

// Change asks for one change until there is an answer. It must be the same when it is made
// twice.
func Change[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	return askAgain(ctx, ChangeTime, ask)
}

// ChangeOnly is [Change] for what gives nothing.
func ChangeOnly(ctx context.Context, ask func(context.Context) error) error {
	_, err := Change(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, ask(ctx) })
	return err
}

func askAgain[T any](ctx context.Context, each time.Duration, ask func(context.Context) (T, error)) (T, error) {
	return UntilAnswered(ctx, func() (T, error) {
		try, cancel := context.WithTimeout(ctx, each)
		defer cancel()
		return ask(try)
	})
}

// UntilAnswered calls ask until there is an answer, or the context ends. Ask itself bounds
// how long it waits; if it makes several requests, all of them are made again.
func UntilAnswered[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	const pause = 20 * time.Millisecond
	for {
		answer, err := ask()
		if !Unanswered(err) || Sleep(ctx, pause) != nil {
			return answer, err
		}
	}
}

// ErrBrokenOff says that whoever answered has gone before it was done: ask again.
var ErrBrokenOff = errors.New("the broker's answer broke off")

// Unanswered reports whether an error says that nobody was there to answer.
func Unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrBrokenOff) || errors.Is(err, errUndecided) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || IsError(err, CodeNotAvailable)
}

// LastMessage looks at the last message of a subject in a stream.
func LastMessage(ctx context.Context, stream jetstream.Stream, subject string) (*jetstream.RawStreamMsg, error) {
	return Ask(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return stream.GetLastMsgForSubject(ctx, subject)
	})
}

// SubjectsOf returns the subjects below a filter of which a stream has messages.
func SubjectsOf(ctx context.Context, stream jetstream.Stream, filter string) ([]string, error) {
	info, err := Ask(ctx, func(ctx context.Context) (*jetstream.StreamInfo, error) {
		return stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	})
	if err != nil {
		return nil, err
	}
	subjects := make([]string, 0, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		subjects = append(subjects, subject)
	}
	return subjects, nil
}
