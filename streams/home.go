package streams

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/routing"
)

// ensureHome derives the home of a queue: a work-queue stream, where an ack is
// a durable delete, and the one durable consumer all workers share.
func (s *Session) ensureHome(ctx context.Context, rec *queueRecord) error {
	want := s.homeConfig(rec)
	_, err := s.js.CreateStream(ctx, want)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		err = s.replaceHome(ctx, want)
	}
	if err != nil {
		return err
	}
	consumer := s.consumerConfig(rec)
	if rec.Schedules {
		// An ack of what waits for its time would take it away.
		consumer.FilterSubject = s.vhost.homeSubject(rec.Name)
	}
	_, err = s.js.CreateConsumer(ctx, want.Name, consumer)
	if errors.Is(err, jetstream.ErrConsumerExists) {
		return nil // made with another lease: it serves
	}
	return err
}

// replaceHome meets a stream of the queue's name that is not as wanted: it
// keeps what belongs to this life of the queue, and replaces what an earlier
// one left behind.
func (s *Session) replaceHome(ctx context.Context, want jetstream.StreamConfig) error {
	stream, err := s.js.Stream(ctx, want.Name)
	if err != nil {
		return err
	}
	if stream.CachedInfo().Config.Metadata["warren.life"] == want.Metadata["warren.life"] {
		return nil
	}
	if err := s.js.DeleteStream(ctx, want.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	_, err = s.js.CreateStream(ctx, want)
	return err
}

func (s *Session) homeConfig(rec *queueRecord) jetstream.StreamConfig {
	storage := jetstream.MemoryStorage
	if rec.survives() {
		storage = jetstream.FileStorage
	}
	subjects := []string{s.vhost.homeSubject(rec.Name)}
	if rec.Schedules {
		subjects = append(subjects, s.vhost.schedules(rec.Name))
	}
	return jetstream.StreamConfig{
		Name:         s.vhost.homeStream(rec.Name),
		Description:  "queue " + rec.Name,
		Subjects:     subjects,
		Retention:    jetstream.WorkQueuePolicy,
		Storage:      storage,
		Replicas:     s.cfg.Replicas,
		MaxConsumers: maxConsumers,
		AllowDirect:  true,
		Metadata:     map[string]string{"warren.queue": rec.Name, "warren.life": rec.Life},

		AllowMsgSchedules:  rec.Schedules,
		AllowAtomicPublish: !s.noBatches.Load(),
	}
}

// consumerConfig is what homes and views have in common. Redelivery is counted
// and limited here in the library, never by the server: a message over
// MaxDeliver would stay in its stream for good.
func (s *Session) consumerConfig(rec *queueRecord) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       routing.ConsumerName(rec.Name),
		Description:   "queue " + rec.Name,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       rec.Lease,
		MaxDeliver:    -1,
		MaxAckPending: maxAckPending,
		MaxWaiting:    1 << 16,
		Replicas:      s.cfg.Replicas,
		MemoryStorage: !rec.survives(),
		Metadata:      map[string]string{"warren.queue": rec.Name, "warren.life": rec.Life},
	}
}

func (s *Session) dropHome(ctx context.Context, queue string) error {
	err := s.js.DeleteStream(ctx, s.vhost.homeStream(queue))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}
