package streams

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// The broker does not say whose the unsettled messages of a queue are. What the
// sessions that live hold of them, these say; the rest is requeued and waits, or was
// held by a session that was killed. The latter comes back when its lease is over,
// and until then nobody can have it: so whoever finds a session dead notes of each
// queue that it used until when that is, and how much it may have held.

// leftover is that note.
type leftover struct {
	Queue string    `json:"queue"`
	Life  string    `json:"life"`
	Most  int       `json:"most"`  // see registration
	Until time.Time `json:"until"` // by the broker's clock
}

// leaseCheck is how long a server takes to see that a lease is over.
const leaseCheck = 100 * time.Millisecond

// leftoverMark ends the subject of a leftover, behind that of the registration.
const leftoverMark = ".left"

// noteLeftovers notes what a session that ended then may have held. Without the note, what
// it held counts as ready.
func (g *registry) noteLeftovers(ctx context.Context, session string, ended time.Time) error {
	uses, err := g.registrations(ctx, "*."+session)
	if err != nil {
		return err
	}
	for _, r := range uses {
		if r.Most == 0 {
			continue
		}
		rec := new(queueRecord)
		revision, err := g.topology.get(ctx, queueKey(r.Queue), rec)
		if rec.Owner == session {
			continue // the queue ends with it
		}
		if err == nil && revision > 0 {
			err = g.noteLeftover(ctx, session, leftover{r.Queue, rec.Life, r.Most, ended.Add(rec.Lease + leaseCheck)}, rec.Lease)
		}
		if err != nil {
			g.cfg.Logger.Debug("could not note what a dead session held", "queue", r.Queue, "error", err)
		}
	}
	return ctx.Err()
}

func (g *registry) noteLeftover(ctx context.Context, session string, l leftover, lease time.Duration) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	msg := &nats.Msg{Subject: g.vhost.userSubject(l.Queue, session) + leftoverMark, Header: nats.Header{}, Data: data}
	msg.Header.Set(jetstream.MsgTTLHeader, (lease + 2*time.Second).Truncate(time.Second).String())
	_, err = jsapi.Change(ctx, func(ctx context.Context) (*jetstream.PubAck, error) { return g.js.Store(ctx, g.live, msg) })
	return err
}

// forgetLeftovers takes the notes of a queue away that has ended.
func (g *registry) forgetLeftovers(ctx context.Context, queue string) error {
	return jsapi.ChangeOnly(ctx, func(ctx context.Context) error {
		return g.live.Purge(ctx, jetstream.WithPurgeSubject(g.vhost.userSubject(queue, "*")+leftoverMark))
	})
}

// orphans are messages that dead sessions held: how many, and when the last of them is
// back.
type orphans struct {
	count int
	until time.Time
}

// orphaned counts the messages of a queue that dead sessions held. It is called after the
// sessions that live were asked what they hold.
func (cs *contents) orphaned(ctx context.Context, rec *queueRecord, in use) (o orphans, err error) {
	if len(in.left) == 0 {
		return o, nil
	}
	pending, now, err := cs.unsettled(ctx, rec)
	sent := 0 // to sessions that live
	for _, n := range in.heldAt {
		sent += n
	}
	if err != nil || pending <= sent {
		return o, err
	}
	most := 0
	for _, subject := range in.left {
		msg, err := jsapi.LastMessage(ctx, cs.live, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return orphans{}, err
		}
		var l leftover
		if json.Unmarshal(msg.Data, &l) != nil || l.Life != rec.Life || !l.Until.After(now) {
			continue
		}
		most = addLimits(most, l.Most)
		if l.Until.After(o.until) {
			o.until = l.Until
		}
	}
	if o.count = pending - sent; most >= 0 {
		o.count = min(o.count, most)
	}
	return o, nil
}

// unsettled counts what the broker has sent of a queue and is not settled, and says what
// its clock shows.
func (cs *contents) unsettled(ctx context.Context, rec *queueRecord) (n int, now time.Time, err error) {
	for _, src := range cs.queues.sourcesOf(rec) {
		consumer, err := cs.js.Consumer(ctx, src.stream, routing.ConsumerName(src.queue))
		if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue
		}
		if err != nil {
			return 0, now, err
		}
		info := consumer.CachedInfo()
		n += info.NumAckPending
		now = info.TimeStamp
	}
	return n, now, nil
}

// addLimits adds up how many messages there are at most, where a negative number is no
// limit.
func addLimits(a, b int) int {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

// usersAndLeft are the sessions registered for a queue, and the subjects of what dead ones
// have left.
func (g *registry) usersAndLeft(ctx context.Context, queue string) (sessions, left []string, err error) {
	subjects, err := g.registered(ctx, routing.NameToken(queue)+".>")
	if err != nil {
		return nil, nil, err
	}
	for _, subject := range subjects {
		if _, session, is := parseRegistration(subject); is {
			left = append(left, subject)
		} else {
			sessions = append(sessions, session)
		}
	}
	slices.Sort(left)
	return sessions, left, nil
}
