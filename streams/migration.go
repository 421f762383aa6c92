package streams

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// Streams of records kept one message a subject by a limit, once. After a crash
// such a stream shows what was deleted: the server does not record what the limit
// pushes out. Nothing heals the files of one, so its records are copied into a
// stream in which every write rolls up what was there before.
//
// Any number of sessions may open the records at once, and any of them may be
// killed. The earlier stream first loses its subjects, so that nobody writes to it.
// Each copy is written only where there is none, through subjects of their own; these
// go, at one stroke, when all is copied and the new stream takes its real subjects:
// who is late copies nothing over what was written, or deleted, since. Then the
// earlier stream is deleted. Sessions of earlier releases cannot make it again,
// because the new one has a subject of it.

// A migration is how a stream of records is opened.
type migration struct {
	js   jsapi.Client
	to   jetstream.StreamConfig
	base string // what the subjects of the new stream begin with

	from     string // the earlier stream
	fromBase string
	isOurs   func(jetstream.StreamConfig) bool // of the earlier stream; nil for always
	old      string                            // what subjects begin with that are used meanwhile
}

// phaseKey says in a stream's metadata how far a migration has come.
const (
	phaseKey = "warren.migration"
	copying  = "copying"
	copied   = "copied"
)

// layoutKey says in a stream's metadata how its records are laid out.
const (
	layoutKey = "warren.layout"
	layout    = 2
)

// open opens the stream, with what an earlier release has left.
func (m migration) open(ctx context.Context) (jetstream.Stream, error) {
	for {
		stream, err := m.step(ctx)
		if stream != nil || err != nil && !m.overtaken(err) {
			return stream, err
		}
		if err := jsapi.Sleep(ctx, time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// overtaken reports whether another session was faster, and all is to be looked at
// again.
func (m migration) overtaken(err error) bool {
	return jsapi.IsError(err, jsapi.CodeSubjectOverlap) || errors.Is(err, jetstream.ErrStreamNotFound) ||
		errors.Is(err, jetstream.ErrStreamNameAlreadyInUse)
}

// step gives the stream if there is nothing to do for it any more.
func (m migration) step(ctx context.Context) (jetstream.Stream, error) {
	stream, err := m.js.Stream(ctx, m.to.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = m.begin(ctx)
	}
	if err == nil {
		err = checkLayout(stream.CachedInfo().Config)
	}
	if err != nil {
		return nil, err
	}
	switch stream.CachedInfo().Config.Metadata[phaseKey] {
	case copying:
		return nil, m.finish(ctx, stream)
	case copied:
		return nil, m.clear(ctx, stream)
	}
	return stream, nil
}

// checkLayout refuses what a later release has laid out.
func checkLayout(cfg jetstream.StreamConfig) error {
	have, err := strconv.Atoi(cfg.Metadata[layoutKey])
	if err != nil || have <= layout {
		return nil // who opens it knows whether it is one of records at all
	}
	return errPrecondition("stream '%s' has layout %d, and this release knows %d; use a newer release of Warren", cfg.Name, have, layout)
}

// begin makes the new stream: as it is to be, or, where there is an earlier one, to
// be copied into.
func (m migration) begin(ctx context.Context) (jetstream.Stream, error) {
	old, err := m.js.Stream(ctx, m.from)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return m.js.EnsureStream(ctx, m.ready())
	}
	if err != nil {
		return nil, err
	}
	parked := old.CachedInfo().Config
	if m.isOurs != nil && !m.isOurs(parked) {
		return nil, errPrecondition("stream '%s' is there and is not Warren's", m.from)
	}
	parked.Subjects = []string{m.parked()}
	if old, err = m.js.UpdateStream(ctx, parked); err != nil {
		return nil, fmt.Errorf("take writes off stream %q: %w", m.from, err)
	}
	cfg := m.ready()
	cfg.Subjects = []string{m.copies() + ".>"}
	cfg.SubjectTransform = &jetstream.SubjectTransformConfig{Source: m.copies() + ".>", Destination: m.base + ".>"}
	cfg.RePublish = nil
	cfg.Replicas = parked.Replicas
	cfg.FirstSeq = old.CachedInfo().State.LastSeq + 1 // revisions go on
	cfg.Metadata[phaseKey] = copying
	return m.js.EnsureStream(ctx, cfg)
}

func (m migration) parked() string { return m.old + ".from" }
func (m migration) copies() string { return m.old + ".to" }

// guard is a subject that the earlier stream would have, and nobody ever publishes
// to.
func (m migration) guard() string { return m.fromBase + ".=moved" }

// ready is the new stream as it is when nothing is to be copied any more.
func (m migration) ready() jetstream.StreamConfig {
	cfg := m.to
	cfg.Subjects = []string{m.base + ".>", m.guard()}
	cfg.MaxMsgsPerSubject = -1
	cfg.AllowRollup = true
	cfg.Metadata = maps.Clone(m.to.Metadata)
	if cfg.Metadata == nil {
		cfg.Metadata = make(map[string]string)
	}
	cfg.Metadata[layoutKey] = strconv.Itoa(layout)
	return cfg
}

// finish copies what is not there yet, and makes the new stream the one to use.
func (m migration) finish(ctx context.Context, stream jetstream.Stream) error {
	old, err := m.js.Stream(ctx, m.from)
	if err == nil {
		err = m.copyAll(ctx, old, stream)
	}
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound): // it went when all was copied
	case err != nil && ctx.Err() == nil && (goesOn(err) || m.isOver(ctx)):
		return nil // what is left is copied as it is looked at again
	case err != nil:
		return fmt.Errorf("copy the records of stream %q into %q, where those stay that were copied: %w", m.from, m.to.Name, err)
	}
	return m.become(ctx, stream, copied)
}

// goesOn reports whether it was a server of a cluster that went.
func goesOn(err error) bool {
	return brokeOff(err) || errors.Is(err, errMissed) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrConsumerNotFound) ||
		errors.Is(err, jetstream.ErrConsumerDeleted) || errors.Is(err, jetstream.ErrServerShutdown)
}

// isOver reports whether somebody else has copied everything.
func (m migration) isOver(ctx context.Context) bool {
	stream, err := m.js.Stream(ctx, m.to.Name)
	return err == nil && stream.CachedInfo().Config.Metadata[phaseKey] != copying
}

// clear deletes the earlier stream, of which everything is copied.
func (m migration) clear(ctx context.Context, stream jetstream.Stream) error {
	err := m.js.DeleteStream(ctx, m.from)
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	return m.become(ctx, stream, "")
}

// become notes how far it has come. Who is late says again what another one has
// said.
func (m migration) become(ctx context.Context, stream jetstream.Stream, phase string) error {
	cfg := m.ready()
	have := stream.CachedInfo().Config
	cfg.FirstSeq, cfg.Replicas = have.FirstSeq, have.Replicas
	if phase != "" {
		cfg.Metadata[phaseKey] = phase
	}
	_, err := m.js.UpdateStream(ctx, cfg)
	return err
}

// upToHeader says on a copy up to which sequence of the earlier stream everything
// was copied when it was written.
const upToHeader = "Warren-Copied"

// A copying is how many records are copied at once, and by how many hands.
const (
	copyBatch = 500
	copyHands = 32
)

// copyAll copies the records of the earlier stream, from where the copying that
// was broken off had come to.
func (m migration) copyAll(ctx context.Context, old, stream jetstream.Stream) error {
	upTo := m.copiedUpTo(ctx, stream)
	consumer, err := m.js.CreateConsumer(ctx, m.from, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: upTo + 1,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return err
	}
	read := uint64(0)
	for more := true; more; {
		batch, err := consumer.FetchNoWait(copyBatch)
		if err != nil {
			return err
		}
		last, err := m.copySome(ctx, old, batch, upTo, &read)
		if err == nil && last == 0 {
			more, err = m.left(ctx, old, upTo)
		}
		if err == nil && last == 0 && more {
			err = missed(ctx, consumer, read)
		}
		if err != nil {
			return err
		}
		upTo = max(upTo, last)
	}
	return nil
}

// copiedUpTo is where the copying has come to.
func (m migration) copiedUpTo(ctx context.Context, stream jetstream.Stream) uint64 {
	last, err := jsapi.Ask(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return stream.GetMsg(ctx, stream.CachedInfo().State.LastSeq)
	})
	if err != nil {
		return 0 // it has expired: from the beginning, then
	}
	return parseNumber(last.Header.Get(upToHeader))
}

// left reports whether there is anything behind a sequence: the server tells a
// consumer of it a moment late.
func (m migration) left(ctx context.Context, old jetstream.Stream, upTo uint64) (bool, error) {
	_, err := jsapi.Ask(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return old.GetMsg(ctx, upTo+1, jetstream.WithGetMsgSubject(">"))
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}

// errMissed says that the server has sent records that were not read: a batch ends
// without a word when none of it has come for a second, and the server does not send
// again what nobody acknowledges.
var errMissed = errors.New("records were missed")

// missed is errMissed where the server has sent more of a consumer than was read.
func missed(ctx context.Context, consumer jetstream.Consumer, read uint64) error {
	info, err := jsapi.Ask(ctx, consumer.Info)
	if err == nil && info.Delivered.Consumer > read {
		err = errMissed
	}
	return err
}

// copySome copies a batch and gives its last sequence, 0 if there was none. It counts
// what has been read of the consumer.
func (m migration) copySome(ctx context.Context, old jetstream.Stream, batch jetstream.MessageBatch, upTo uint64, read *uint64) (last uint64, err error) {
	copies := make(chan *nats.Msg)
	errs := make([]error, copyHands)
	var hands sync.WaitGroup
	for i := range copyHands {
		hands.Go(func() {
			for msg := range copies {
				if errs[i] == nil {
					errs[i] = m.copyOne(ctx, msg)
				}
			}
		})
	}
	now := old.CachedInfo().TimeStamp // by the broker's clock, or a little earlier
	for msg := range batch.Messages() {
		a, _ := parseArrival(msg.Reply())
		if *read++; a.order != *read {
			err = errMissed
			break
		}
		last = a.seq
		if c := m.copyOf(msg, time.Unix(0, a.stamp), now); c != nil {
			c.Header.Set(upToHeader, strconv.FormatUint(upTo, 10))
			copies <- c
		}
	}
	close(copies)
	hands.Wait()
	return last, errors.Join(append(errs, err, batch.Error())...)
}

// copyOf is the copy of a record; nil for a marker and for what is over.
func (m migration) copyOf(msg jetstream.Msg, stamp, now time.Time) *nats.Msg {
	h := maps.Clone(msg.Headers())
	if absence(h) != Present {
		return nil
	}
	if h == nil {
		h = make(nats.Header)
	}
	if ttl, ok := parseTTL(h); ok {
		left := stamp.Add(ttl).Sub(now)
		if left <= 0 {
			return nil
		}
		h.Set(jetstream.MsgTTLHeader, ttlHeader(left.Truncate(time.Second)+time.Second))
	}
	h.Del(jetstream.MsgIDHeader)
	h.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
	return &nats.Msg{Subject: m.copies() + msg.Subject()[len(m.fromBase):], Header: h, Data: msg.Data()}
}

// errOver says that somebody else has copied everything.
var errOver = errors.New("the records are copied")

// copyOne writes a copy, unless there is one. Nobody listens when all is copied.
func (m migration) copyOne(ctx context.Context, msg *nats.Msg) error {
	_, err := jsapi.UntilAnswered(ctx, func() (*jetstream.PubAck, error) {
		try, cancel := context.WithTimeout(ctx, jsapi.ChangeTime)
		defer cancel()
		ack, err := m.js.PublishMsg(try, msg)
		if errors.Is(err, jetstream.ErrNoStreamResponse) && m.isOver(ctx) {
			err = errOver
		}
		return ack, err
	})
	if jsapi.IsConflict(err) {
		return nil
	}
	return err
}
