package streams

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/routing"
)

// ensureHome derives the home of a queue: a work-queue stream, where an ack is
// a durable delete, and the one durable consumer all workers share.
func (qs *queues) ensureHome(ctx context.Context, rec *queueRecord) error {
	want := qs.homeConfig(rec)
	_, err := qs.js.CreateStream(ctx, want)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		err = qs.replaceHome(ctx, want)
	}
	if err != nil {
		return err
	}
	consumer := qs.consumerConfig(rec)
	if rec.Schedules {
		// An ack of what waits for its time would take it away.
		consumer.FilterSubject = qs.vhost.homeSubject(rec.Name)
	}
	_, err = qs.js.CreateConsumer(ctx, want.Name, consumer)
	if errors.Is(err, jetstream.ErrConsumerExists) {
		return nil // made with another lease: it serves
	}
	return err
}

// replaceHome meets a stream of the queue's name that is not as wanted: it
// keeps what belongs to this life of the queue, and replaces what an earlier
// one left behind.
func (qs *queues) replaceHome(ctx context.Context, want jetstream.StreamConfig) error {
	stream, err := qs.js.Stream(ctx, want.Name)
	if err != nil {
		return err
	}
	if stream.CachedInfo().Config.Metadata["warren.life"] == want.Metadata["warren.life"] {
		return nil
	}
	if err := qs.js.DeleteStream(ctx, want.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	_, err = qs.js.CreateStream(ctx, want)
	return err
}

func (qs *queues) homeConfig(rec *queueRecord) jetstream.StreamConfig {
	storage := jetstream.MemoryStorage
	if rec.survives() {
		storage = jetstream.FileStorage
	}
	subjects := []string{qs.vhost.homeSubject(rec.Name)}
	if rec.Schedules {
		subjects = append(subjects, qs.vhost.schedules(rec.Name))
	}
	return jetstream.StreamConfig{
		Name:         qs.vhost.homeStream(rec.Name),
		Description:  "queue " + rec.Name,
		Subjects:     subjects,
		Retention:    jetstream.WorkQueuePolicy,
		Storage:      storage,
		Replicas:     qs.cfg.Replicas,
		MaxConsumers: maxConsumers,
		AllowDirect:  true,
		Metadata:     map[string]string{"warren.queue": rec.Name, "warren.life": rec.Life},

		AllowMsgSchedules:  rec.Schedules,
		AllowAtomicPublish: !qs.link.noBatches.Load(),
	}
}

// consumerConfig is what homes and views have in common. Redelivery is counted
// and limited here in the library, never by the server: a message over
// MaxDeliver would stay in its stream for good.
func (qs *queues) consumerConfig(rec *queueRecord) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       routing.ConsumerName(rec.Name),
		Description:   "queue " + rec.Name,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       rec.Lease,
		MaxDeliver:    -1,
		MaxAckPending: maxAckPending,
		MaxWaiting:    1 << 16,
		Replicas:      qs.cfg.Replicas,
		MemoryStorage: !rec.survives(),
		Metadata:      map[string]string{"warren.queue": rec.Name, "warren.life": rec.Life},
	}
}

func (qs *queues) dropHome(ctx context.Context, queue string) error {
	err := qs.js.DeleteStream(ctx, qs.vhost.homeStream(queue))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}
