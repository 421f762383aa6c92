package streams

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A broker is the JetStream of the servers. It is asked until there is an answer,
// or no time is left: a leader that has gone never answers, and its successor was
// not asked.
type broker struct{ jetstream.JetStream }

// Stream looks at a stream.
func (b broker) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	return again(ctx, func(ctx context.Context) (jetstream.Stream, error) { return b.JetStream.Stream(ctx, name) })
}

// Consumer looks at a consumer of a stream.
func (b broker) Consumer(ctx context.Context, stream, name string) (jetstream.Consumer, error) {
	return again(ctx, func(ctx context.Context) (jetstream.Consumer, error) {
		return b.JetStream.Consumer(ctx, stream, name)
	})
}

// CreateStream creates a stream. All that is changed at the servers is asked for
// again in the same words: what is there as asked for is as good as made.
func (b broker) CreateStream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	return changed(ctx, func(ctx context.Context) (jetstream.Stream, error) { return b.JetStream.CreateStream(ctx, cfg) })
}

// UpdateStream changes a stream.
func (b broker) UpdateStream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	return changed(ctx, func(ctx context.Context) (jetstream.Stream, error) { return b.JetStream.UpdateStream(ctx, cfg) })
}

// DeleteStream deletes a stream; one that is gone may have gone by this.
func (b broker) DeleteStream(ctx context.Context, name string) error {
	return changedOnly(ctx, func(ctx context.Context) error { return b.JetStream.DeleteStream(ctx, name) })
}

// CreateConsumer creates a consumer.
func (b broker) CreateConsumer(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	return changed(ctx, func(ctx context.Context) (jetstream.Consumer, error) {
		return b.JetStream.CreateConsumer(ctx, stream, cfg)
	})
}

// UpdateConsumer changes a consumer.
func (b broker) UpdateConsumer(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	return changed(ctx, func(ctx context.Context) (jetstream.Consumer, error) {
		return b.JetStream.UpdateConsumer(ctx, stream, cfg)
	})
}

// DeleteConsumer deletes a consumer; one that is gone may have gone by this.
func (b broker) DeleteConsumer(ctx context.Context, stream, name string) error {
	return changedOnly(ctx, func(ctx context.Context) error { return b.JetStream.DeleteConsumer(ctx, stream, name) })
}

// publish stores a message in a stream, if it can now. One without a leader does
// not hear it, which looks as if there were no stream: then that is the error.
func (b broker) publish(ctx context.Context, stream jetstream.Stream, msg *nats.Msg) (*jetstream.PubAck, error) {
	ack, err := b.PublishMsg(ctx, msg)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		_, gone := b.Stream(ctx, stream.CachedInfo().Config.Name)
		err = cmp.Or(gone, err)
	}
	if isAPIError(err, noRoom...) {
		err = errResource(err)
	}
	return ack, err
}

// lastMessage looks at the last message of a subject.
func lastMessage(ctx context.Context, stream jetstream.Stream, subject string) (*jetstream.RawStreamMsg, error) {
	return again(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return stream.GetLastMsgForSubject(ctx, subject)
	})
}

// subjectsOf looks at which subjects below a filter a stream has messages of.
func subjectsOf(ctx context.Context, stream jetstream.Stream, filter string) ([]string, error) {
	info, err := again(ctx, func(ctx context.Context) (*jetstream.StreamInfo, error) {
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

// answerTime is how long an answer may take before the question is asked again.
// A server that has only just started loses some, too.
const answerTime = time.Second

// changeTime is the same for a change, which servers of a cluster agree on first.
// A leader that goes meanwhile leaves it without an answer.
const changeTime = 3 * time.Second

// again asks one question.
func again[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	return askAgain(ctx, answerTime, ask)
}

// changed asks for one change, which must be the same when it is made twice.
func changed[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	return askAgain(ctx, changeTime, ask)
}

func changedOnly(ctx context.Context, ask func(context.Context) error) error {
	_, err := changed(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, ask(ctx) })
	return err
}

func askAgain[T any](ctx context.Context, each time.Duration, ask func(context.Context) (T, error)) (T, error) {
	return untilAnswered(ctx, func() (T, error) {
		try, cancel := context.WithTimeout(ctx, each)
		defer cancel()
		return ask(try)
	})
}

// untilAnswered asks questions, which know themselves how long to wait for an
// answer, from the first one on.
func untilAnswered[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	const pause = 20 * time.Millisecond
	for {
		answer, err := ask()
		if !unanswered(err) || sleep(ctx, pause) != nil {
			return answer, err
		}
	}
}

// errBrokenOff says that whoever answered has gone before it was done.
var errBrokenOff = errors.New("the broker's answer broke off")

// unanswered reports whether nobody was there to answer.
func unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errBrokenOff) || errors.Is(err, errUndecided) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || isAPIError(err, codeNotAvailable)
}

// nextAnswer waits for the next of several answers.
func nextAnswer(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}
