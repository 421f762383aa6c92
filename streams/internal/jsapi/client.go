package jsapi

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A Client is the JetStream API of the servers. It asks until there is an answer, or no time
// is left: a leader that has gone never answers, and its successor was not asked.
type Client struct{ jetstream.JetStream }

// Stream looks at a stream.
func (c Client) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	return Ask(ctx, func(ctx context.Context) (jetstream.Stream, error) { return c.JetStream.Stream(ctx, name) })
}

// Consumer looks at a consumer of a stream.
func (c Client) Consumer(ctx context.Context, stream, name string) (jetstream.Consumer, error) {
	return Ask(ctx, func(ctx context.Context) (jetstream.Consumer, error) {
		return c.JetStream.Consumer(ctx, stream, name)
	})
}

// EnsureStream opens a stream, creating it when it is not there yet.
func (c Client) EnsureStream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := c.Stream(ctx, cfg.Name)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return stream, err
	}
	stream, err = c.CreateStream(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return c.Stream(ctx, cfg.Name)
	}
	return stream, err
}

// CreateStream creates a stream. All that is changed at the servers is asked for
// again in the same words: what is there as asked for is as good as made. It also tries
// again for a moment what the server cannot do yet: take a name whose last stream it is
// still clearing away, or find servers for the replicas in a cluster that has only just
// come together.
func (c Client) CreateStream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	const tries = 8 // 5 ms to 640 ms: 1.3 s in all
	pause := Backoff{First: 5 * time.Millisecond, Most: time.Second}
	for try := 1; ; try++ {
		stream, err := c.createOnce(ctx, cfg)
		if !IsError(err, CodeStreamCreate, CodeNoPeers, CodeNotAvailable) || try == tries || pause.Wait(ctx) != nil {
			return stream, err
		}
	}
}

func (c Client) createOnce(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	return Change(ctx, func(ctx context.Context) (jetstream.Stream, error) { return c.JetStream.CreateStream(ctx, cfg) })
}

// UpdateStream changes a stream.
func (c Client) UpdateStream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	return Change(ctx, func(ctx context.Context) (jetstream.Stream, error) { return c.JetStream.UpdateStream(ctx, cfg) })
}

// DeleteStream deletes a stream; one that is gone may have gone by this.
func (c Client) DeleteStream(ctx context.Context, name string) error {
	return ChangeOnly(ctx, func(ctx context.Context) error { return c.JetStream.DeleteStream(ctx, name) })
}

// CreateConsumer creates a consumer.
func (c Client) CreateConsumer(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	return Change(ctx, func(ctx context.Context) (jetstream.Consumer, error) {
		return c.JetStream.CreateConsumer(ctx, stream, cfg)
	})
}

// UpdateConsumer changes a consumer.
func (c Client) UpdateConsumer(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	return Change(ctx, func(ctx context.Context) (jetstream.Consumer, error) {
		return c.JetStream.UpdateConsumer(ctx, stream, cfg)
	})
}

// DeleteConsumer deletes a consumer; one that is gone may have gone by this.
func (c Client) DeleteConsumer(ctx context.Context, stream, name string) error {
	return ChangeOnly(ctx, func(ctx context.Context) error { return c.JetStream.DeleteConsumer(ctx, stream, name) })
}

// Store stores a message in a stream, if it can now. One without a leader does
// not hear it, which looks as if there were no stream: then that is the error.
func (c Client) Store(ctx context.Context, stream jetstream.Stream, msg *nats.Msg) (*jetstream.PubAck, error) {
	ack, err := c.PublishMsg(ctx, msg)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		_, gone := c.Stream(ctx, stream.CachedInfo().Config.Name)
		err = cmp.Or(gone, err)
	}
	if IsFull(err) {
		err = NoRoom(err)
	}
	return ack, err
}
