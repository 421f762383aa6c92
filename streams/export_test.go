package streams

import (
	"context"
	"runtime"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// RefusedBefore begins what package embedded says of what it has refused.
const RefusedBefore = refusedBefore

// batcherOf is the batcher of a queue, or an exchange, locked.
func batcherOf(p *Publisher, exchange, key string) *batcher {
	b := p.s.batchers.of(&Confirm{exchange: exchange, key: key})
	b.mu.Lock()
	return b
}

// SyncSubject and SyncsAlways are how a broker of package embedded is asked whether it
// syncs each message, and what it answers then.
const (
	SyncSubject = syncSubject
	SyncsAlways = syncsAlways
)

// Waiting counts what waits to be published to a queue, or an exchange.
func Waiting(s *Session, exchange, key string) int {
	b := batcherOf(&Publisher{s: s}, exchange, key)
	defer b.mu.Unlock()
	return len(b.waiting)
}

// HoldBack has everything wait that is published to a queue, or an exchange, until LetGo.
func HoldBack(p *Publisher, exchange, key string) {
	b := batcherOf(p, exchange, key)
	defer b.mu.Unlock()
	b.flying = true
}

// LetGo ends a HoldBack.
func LetGo(p *Publisher, exchange, key string) {
	b := batcherOf(p, exchange, key)
	defer b.mu.Unlock()
	b.land()
}

// Synced reports whether a batcher has looked at its stream, and whether it knows that
// each message is synced.
func Synced(p *Publisher, exchange, key string) (looked, synced bool) {
	b := batcherOf(p, exchange, key)
	defer b.mu.Unlock()
	return b.looked && !b.looking, b.synced
}

// Gather makes a publisher take a stream for one that is slow from the start, and
// for good: what waits for it goes in batches.
func Gather(p *Publisher, exchange, key string) {
	b := batcherOf(p, exchange, key)
	defer b.mu.Unlock()
	b.gather()
}

func (b *batcher) gather() {
	b.begin()
	b.cost.single.fill(time.Hour)
	b.cost.fixed.fill(0)
	b.answers.mark = &Confirm{} // which has no answer: nothing is measured any more
}

// Slow makes a publisher believe that a stream is slow.
func Slow(p *Publisher, exchange, key string) {
	b := batcherOf(p, exchange, key)
	defer b.mu.Unlock()
	b.cost.single.fill(time.Hour)
	b.cost.fixed.fill(0)
}

// Gathers reports whether what is published to a stream is gathered, and whether it was
// found out that it never will be.
func Gathers(p *Publisher, exchange, key string) (gathers, never bool) {
	b := batcherOf(p, exchange, key)
	defer b.mu.Unlock()
	return b.gathering, b.never
}

// Expect is Gather, and as if the last batch had had n messages and taken that long.
func Expect(p *Publisher, exchange, key string, n int, took time.Duration) {
	b := batcherOf(p, exchange, key)
	defer b.mu.Unlock()
	b.gather()
	b.cost.fixed.fill(took)
	b.expected = n
}

// Measures reports whether it is measured how fast a publisher's messages are answered.
func Measures(p *Publisher, exchange, key string) bool {
	b := batcherOf(p, exchange, key)
	defer b.mu.Unlock()
	return b.answers.mark != nil
}

// AwaitWritten waits until what was published before it has been handed to the
// connection.
func AwaitWritten(s *Session) { s.awaitWritten() }

// HalfMove begins to move an exchange to files and stops after some of its steps,
// as a session does that is killed.
func HalfMove(ctx context.Context, s *Session, exchange string, steps int) error {
	rec, revision, err := s.exchanges.need(ctx, exchange)
	if err != nil {
		return err
	}
	rec.Moving = true
	if _, err := s.topology.put(ctx, exchangeKey(exchange), rec, revision); err != nil {
		return err
	}
	moved := *rec
	moved.Volatile = false
	files, memory := moved.origin(), rec.origin()
	for _, step := range []func() error{
		func() error { return s.exchanges.prepareFiles(ctx, &moved) },
		func() error {
			return s.exchanges.changeBound(ctx, rec, func(c *queueChange) error { return c.bindInFiles(ctx, &moved) })
		},
		func() error { return s.exchanges.park(ctx, memory) },
		func() error { _, err := s.exchanges.ensureOrigin(ctx, files); return err },
		func() error {
			return s.exchanges.update(ctx, rec, func(rec *exchangeRecord) { rec.Volatile = false })
		},
		func() error {
			return s.exchanges.changeBound(ctx, rec, func(c *queueChange) error { return c.leaveMemory(ctx, &moved) })
		},
	}[:steps] {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// AwaitOffline waits until a session knows that its connection is lost.
func AwaitOffline(s *Session) {
	for {
		s.link.mu.Lock()
		offline := !isClosed(s.online)
		s.link.mu.Unlock()
		if offline {
			return
		}
		runtime.Gosched()
	}
}

// HalfCopyStore begins to copy a store of an earlier release and stops after some of
// its steps, as a session does that is killed.
func HalfCopyStore(ctx context.Context, s *Session, name string, steps int) error {
	m := s.newStore(name, StoreOptions{}.withDefaults()).migration()
	stream, err := m.begin(ctx)
	if err != nil || steps == 1 {
		return err
	}
	old, err := s.js.Stream(ctx, m.from)
	if err != nil {
		return err
	}
	if err := m.copyAll(ctx, old, stream); err != nil || steps == 2 {
		return err
	}
	return m.become(ctx, stream, copied)
}

// LateCopy is where a session that is late would copy a key of a store to.
func LateCopy(s *Session, name, key string) string {
	return s.newStore(name, StoreOptions{}).migration().copies() + "." + key
}

// OpenLeased is Open with another lease of sessions, which all of a test should have.
func OpenLeased(ctx context.Context, nc *nats.Conn, cfg Config, lease time.Duration) (*Session, error) {
	return openLeased(ctx, nc, cfg, lease)
}

// Hold begins to change a queue and stops there, as a session does that is killed.
func Hold(ctx context.Context, s *Session, queue string) error {
	unlock, err := s.queues.locks.Lock(ctx, queue)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = s.queues.hold(ctx, queue)
	return err
}

// Rewrite writes the record of a queue once more, after a step of a test.
func Rewrite(ctx context.Context, s *Session, queue string, before func()) error {
	return s.queues.change(ctx, queue, func(change *queueChange) error {
		before()
		return change.save(ctx)
	})
}

// HalfChange begins to change a queue, takes its view of an exchange away, and
// ends with an error, as a change does that is cut off.
func HalfChange(ctx context.Context, s *Session, queue string, cut error) error {
	return s.queues.change(ctx, queue, func(c *queueChange) error {
		for _, o := range c.rec.origins() {
			if err := s.js.DeleteConsumer(ctx, s.vhost.originStream(o), routing.ConsumerName(queue)); err != nil {
				return err
			}
		}
		return cut
	})
}

// WidenView makes the view of a queue on an exchange take all there is in its
// stream.
func WidenView(ctx context.Context, s *Session, queue string) error {
	return s.queues.change(ctx, queue, func(c *queueChange) error {
		for _, o := range c.rec.origins() {
			if err := c.makeView(ctx, o, []string{s.vhost.exchangeSubject(o.exchange) + ".>"}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sweep drops what has ended at the front of a queue's views. When it has seen that there
// is something, it waits for meanwhile.
func Sweep(ctx context.Context, s *Session, queue string, meanwhile func()) error {
	rec, _, err := s.topology.queue(ctx, queue)
	if err != nil {
		return err
	}
	for _, src := range s.queues.sourcesOf(rec)[1:] {
		name := src.stream + " " + src.queue
		unlock, err := s.contents.sweeping.Lock(ctx, name)
		if err != nil {
			return err
		}
		swept := make(chan error, 1)
		go func() { swept <- s.contents.sweepSource(ctx, src, 0, nil) }()
		for s.contents.sweeping.Users(name) < 2 {
			if err := jsapi.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		meanwhile()
		unlock()
		if err := <-swept; err != nil {
			return err
		}
	}
	return nil
}

// AwaitCounted waits until the server has counted what is in a queue's home for the
// consumers there, which it does a while after it has confirmed it.
func AwaitCounted(ctx context.Context, s *Session, queue string) error {
	for {
		state, info, err := s.reader.lookAt(ctx, s.vhost.homeStream(queue), queue)
		if err != nil || info != nil && info.NumPending+uint64(info.NumAckPending) >= state.Msgs {
			return err
		}
		if err := jsapi.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// Told reports whether the broker knows how a session uses a queue.
func Told(s *Session, queue string) bool { return s.uses.knows(queue) }

// TakeForOwn has a session take the sequences of another's records for those of its own, as
// when they are of another life of the broker.
func TakeForOwn(s, other *Session) { s.attendance.revision = other.attendance.revision }

// IsPresent reports whether a session has a record that it is there.
func IsPresent(ctx context.Context, s *Session) (bool, error) {
	there, err := s.attendance.presenceOf(ctx, s.id)
	return there != nil, err
}

// ReadClock looks at the broker's clock, as a session does now and then.
func ReadClock(ctx context.Context, s *Session) error { return s.clock.read(ctx) }

// TakeTurn takes the turn to clear away what dead sessions have left.
func TakeTurn(ctx context.Context, s *Session) bool { return s.janitor.takeTurn(ctx) }

// Disown has a session forget its exclusive queues, as when it cannot delete them.
func Disown(s *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.owned)
}

// Doubt is what a lost connection does to what a session knows of a queue.
func Doubt(s *Session, queue string) { s.userOf(queue).doubt() }

// SessionsOf counts the open sessions of a session's node.
func SessionsOf(s *Session) int { return len(s.allSessions()) }

// Remove deletes a queue, as a session does that has found its owner dead.
func Remove(ctx context.Context, s *Session, queue string) error {
	rec, _, err := s.topology.queue(ctx, queue)
	if err != nil {
		return err
	}
	return s.queues.remove(ctx, queue, rec.Life)
}
