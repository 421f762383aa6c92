package streams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/amqp"
	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// Scheduled is a message that waits for its time.
type Scheduled struct {
	// ID is what it was published under.
	ID string
	// At is its time.
	At time.Time
	Message
}

// The headers by which a stream keeps a message for later. It takes them off when
// the time has come, and deletes what it kept.
const (
	scheduleHeader     = "Nats-Schedule"
	targetHeader       = "Nats-Schedule-Target"
	schedulerHeader    = "Nats-Scheduler"
	scheduleNextHeader = "Nats-Schedule-Next"
	expectedSubject    = "Nats-Expected-Last-Subject-Sequence-Subject"
	atPrefix           = "@at "
)

// endedWith reports whether a message ended with an earlier life of the broker.
func endedWith(h nats.Header, epoch string) bool {
	its := h.Get(amqp.EpochHeader)
	return its != "" && its != epoch
}

// PublishAt publishes a message to a queue that was declared with
// [Queue.Schedules], at that time: never before it by the broker's clock, and up
// to a quarter of a second after it. A time in the past is now. The broker has
// taken the message when PublishAt returns nil, as with [Session.Publish]. The id
// is any text of 1 to 255 bytes: of the messages that wait for a queue under one
// id, the last one takes the place of the others. What comes later is what was
// published, and cannot be told from what was published directly.
//
// A queue that is not there is 404, one without schedules 406, and so are no
// time, a time after 2261, and a message that is too large.
func (s *Session) PublishAt(ctx context.Context, at time.Time, queue, id string, m Message) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	confirm, err := s.prepareAt(ctx, at, queue, id, &m)
	if err == nil {
		err = s.publish(ctx, confirm)
	}
	if err != nil {
		return publishAtError(queue, id, err)
	}
	s.explainPublishAt(queue, id)
	return nil
}

func publishAtError(queue, id string, err error) error {
	return fmt.Errorf("publish to queue %q for later as %q: %w", queue, id, err)
}

// prepareAt checks a message for later and writes it for NATS.
func (s *Session) prepareAt(ctx context.Context, at time.Time, queue, id string, m *Message) (*Confirm, error) {
	if err := s.mayBegin(ctx); err != nil {
		return nil, err
	}
	if err := errors.Join(checkQueueName(queue), checkID(id), checkTime(at)); err != nil {
		return nil, err
	}
	under := s.vhost.scheduleSubject(queue, id)
	p := &place{
		stream: s.vhost.homeStream(queue), any: under + ".*",
		number: s.places.Add(1), persistent: m.DeliveryMode == Persistent,
	}
	confirm, err := s.compose(ctx, under+"."+s.placeToken(p.number), m, 0)
	if err != nil {
		return nil, err
	}
	confirm.key, confirm.place = queue, p
	if confirm.msg.Header == nil {
		confirm.msg.Header = nats.Header{}
	}
	h := confirm.msg.Header
	h.Set(scheduleHeader, atPrefix+wireTime(at))
	h.Set(targetHeader, s.vhost.homeSubject(queue))
	expect(h, 0, p.any)
	return confirm, s.checkSize(confirm.msg, placeHeaders+len(confirm.msg.Subject))
}

func checkID(id string) error {
	switch {
	case id == "":
		return errPrecondition("a message for later needs an id")
	case len(id) > amqp.MaxShort:
		return errSyntax("the id of a message for later is %d bytes long, more than %d", len(id), amqp.MaxShort)
	case !utf8.ValidString(id):
		return errSyntax("the id of a message for later is not UTF-8: %q", id)
	}
	return nil
}

// lastYear is the last whole one of which JetStream can tell the nanoseconds.
const lastYear = 2261

func checkTime(at time.Time) error {
	switch {
	case at.IsZero():
		return errPrecondition("a message for later needs a time")
	case at.UTC().Year() > lastYear:
		return errPrecondition("the time %v is too late; use one before %d", at, lastYear+1)
	}
	return nil
}

// wireTime writes a time for JetStream, which counts from 1970.
func wireTime(at time.Time) string {
	if first := time.Unix(0, 0); at.Before(first) {
		at = first
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// minSchedules is the first server on which a message for later may take the
// place of another in one step.
const minSchedules = "2.14"

// checkSchedules refuses a queue with schedules where the server has none.
func (s *Session) checkSchedules(q Queue) error {
	version := s.nc.ConnectedServerVersion()
	if q.Schedules && version != "" && olderThan(version, 2, 14) {
		return errNotImplemented("schedules need a NATS server of version %s or newer; this is %s", minSchedules, version)
	}
	return nil
}

func (at *site) noSchedules(queue string) error {
	return errPrecondition("queue '%s' in vhost '%s' takes no messages for later; declare it with schedules", queue, at.cfg.ShownVHost)
}

// needSchedules refuses a queue that is not there or has no schedules.
func (s *Session) needSchedules(ctx context.Context, queue string) error {
	rec, err := s.needQueue(ctx, queue)
	if err == nil && !rec.Schedules {
		err = s.noSchedules(queue)
	}
	return err
}

// onItsWay is how long before its time a message for later cannot be taken back
// any more: taking it back must be over before the broker may look at it.
const onItsWay = 250 * time.Millisecond

// Unschedule takes back a message that waits for a queue under an id. True says
// that it will not come. False says that none waits any more, or that its time
// is less than a quarter of a second away: then it comes. An error says neither.
func (s *Session) Unschedule(ctx context.Context, queue, id string) (bool, error) {
	was, err := call(ctx, s, func(ctx context.Context) (bool, error) { return s.unschedule(ctx, queue, id) })
	if err != nil {
		return false, fmt.Errorf("unschedule %q of queue %q: %w", id, queue, err)
	}
	return was, nil
}

func (s *Session) unschedule(ctx context.Context, queue, id string) (bool, error) {
	if err := checkID(id); err != nil {
		return false, err
	}
	if err := s.needSchedules(ctx, queue); err != nil {
		return false, err
	}
	for {
		msg, at, err := jsapi.ReadLast(ctx, s.nc, s.vhost.homeStream(queue), s.vhost.scheduleSubject(queue, id)+".*")
		if err != nil || msg == nil {
			return false, err
		}
		taken, err := s.takeBack(ctx, queue, msg, at.Seq)
		if !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
			return taken && !endedWith(msg.Header, s.epoch.id()), err
		}
		// It came, or another one took its place.
	}
}

// takeBack deletes a message that waits, unless the broker may have begun to
// publish it: it does not ask whether the message is there still when it ends.
func (s *Session) takeBack(ctx context.Context, queue string, msg *nats.Msg, seq uint64) (bool, error) {
	at, err := timeOf(msg.Header)
	if err != nil {
		return false, err
	}
	asked := time.Now()
	stream, err := s.js.Stream(ctx, s.vhost.homeStream(queue))
	if err != nil {
		return false, err
	}
	now := stream.CachedInfo().TimeStamp // by the broker's clock
	if !now.Add(onItsWay).Before(at) {
		return false, nil
	}
	if err := stream.DeleteMsg(ctx, seq); err != nil {
		return false, err
	}
	if took := time.Since(asked); !now.Add(took).Before(at) {
		return false, fmt.Errorf("it took %v, and the message may have come meanwhile", took)
	}
	return true, nil
}

func timeOf(h nats.Header) (time.Time, error) {
	return time.Parse(time.RFC3339Nano, strings.TrimPrefix(h.Get(scheduleHeader), atPrefix))
}

// Scheduled ranges over the messages that wait for a queue, in the order in which
// they were published, and ends with an error if there is one. It reads them a
// batch at a time: what comes, or is taken back, meanwhile may be among them.
func (s *Session) Scheduled(ctx context.Context, queue string) iter.Seq2[Scheduled, error] {
	return func(yield func(Scheduled, error) bool) {
		last, err := call(ctx, s, func(ctx context.Context) (uint64, error) { return s.lastOfHome(ctx, queue) })
		for batch := (scheduledBatch{next: 1}); err == nil && batch.next <= last; {
			from := batch.next
			batch, err = call(ctx, s, func(ctx context.Context) (scheduledBatch, error) {
				return s.scheduledSome(ctx, queue, from)
			})
			for i := range batch.list {
				if !yield(batch.list[i], nil) {
					return
				}
			}
		}
		if err != nil {
			yield(Scheduled{}, fmt.Errorf("list what is scheduled for queue %q: %w", queue, err))
		}
	}
}

// lastOfHome is the last sequence of the home of a queue with schedules.
func (s *Session) lastOfHome(ctx context.Context, queue string) (uint64, error) {
	if err := s.needSchedules(ctx, queue); err != nil {
		return 0, err
	}
	stream, err := s.js.Stream(ctx, s.vhost.homeStream(queue))
	if err != nil {
		return 0, err
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// scheduledBatch is a part of what waits, and the sequence from which the next
// one begins.
type scheduledBatch struct {
	list []Scheduled
	next uint64
}

// scheduledSome reads a part of the home. It reads what is ready, too: asked for
// less than all, the server looks at every subject there is, for each part.
func (s *Session) scheduledSome(ctx context.Context, queue string, from uint64) (scheduledBatch, error) {
	request := jsapi.ReadRequest{Seq: from, Batch: scanBatch, Most: scanBytes, Subject: ">"}
	return jsapi.UntilAnswered(ctx, func() (scheduledBatch, error) {
		batch := scheduledBatch{next: math.MaxUint64}
		err := jsapi.ReadBatch(ctx, s.nc, s.vhost.homeStream(queue), request, func(msg *nats.Msg, at jsapi.Position) {
			batch.next = at.Seq + 1
			if one, ok := s.readScheduled(queue, msg); ok {
				batch.list = append(batch.list, one)
			}
		})
		return batch, err
	})
}

// readScheduled reads a message that waits; false says that it does not, or ended
// with the broker.
func (s *Session) readScheduled(queue string, msg *nats.Msg) (one Scheduled, ok bool) {
	waits, ok := strings.CutPrefix(msg.Subject, s.vhost.homeSubject(queue)+".at.")
	if !ok || endedWith(msg.Header, s.epoch.id()) {
		return one, false
	}
	token, _, _ := strings.Cut(waits, ".")
	id, err := routing.TokenName(token)
	if err != nil {
		return one, false
	}
	at, err := timeOf(msg.Header)
	one = Scheduled{ID: id, At: at}
	one.Body = msg.Data
	amqp.DecodeProperties(&one.Message, msg.Header)
	return one, err == nil
}

// countScheduled counts the messages that wait for a queue: the subjects of its
// home without the one that is consumed.
func (cs *contents) countScheduled(ctx context.Context, rec *queueRecord) (int, error) {
	if !rec.Schedules {
		return 0, nil
	}
	stream, err := cs.js.Stream(ctx, cs.vhost.homeStream(rec.Name))
	if err != nil {
		return 0, err
	}
	count := int(stream.CachedInfo().State.NumSubjects)
	due, _, err := jsapi.ReadLast(ctx, cs.link.nc, cs.vhost.homeStream(rec.Name), cs.vhost.homeSubject(rec.Name))
	if due != nil {
		count--
	}
	return max(count, 0), err
}
