package streams

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/amqp"
	"warren/streams/internal/jsapi"
)

// A Pending is a write to a store whose outcome may not be there yet.
type Pending struct {
	t        *Store
	put      Put
	deletes  bool
	token    string // tells this write from others that expect the same
	deadline time.Time
	done     chan struct{}
	revision uint64
	err      error

	// Whoever deals with the last answer has these.
	expected uint64 // what the last try expected
	unsure   bool   // that, or one before that expected the same, may have been done
	tries    int
}

// Done is closed when the outcome is there.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Result waits for the outcome, which is that of [Store.Put].
func (p *Pending) Result() (revision uint64, err error) {
	<-p.done
	if p.err != nil {
		return 0, p.t.putError(p.put.Key, p.err)
	}
	return p.revision, nil
}

func (p *Pending) wait(ctx context.Context) (uint64, error) {
	select {
	case <-p.done:
		return p.revision, p.err
	case <-ctx.Done():
		return 0, errors.Join(ErrUnconfirmed, ctx.Err())
	}
}

func (p *Pending) end(revision uint64, err error) {
	p.revision, p.err = revision, err
	if err == nil {
		p.t.saw(revision)
	}
	close(p.done)
}

func (p *Pending) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.t.s.isClosed() {
		return ErrClosed
	}
	if err := checkTTL("the TTL", p.put.TTL); err != nil {
		return err
	}
	switch p.put.Expect {
	case Any:
	case Absent:
		p.token = newID()
	default:
		p.token, p.expected = newID(), uint64(p.put.Expect)
	}
	return p.send(ctx)
}

// send sends a try, whose answer comes to resolved. An error says that there was
// none.
func (p *Pending) send(ctx context.Context) error {
	msg, err := p.message()
	if err != nil {
		return err
	}
	s := p.t.s
	if err := s.awaitOnline(ctx); err != nil {
		return err
	}
	confirm := &Confirm{session: s, msg: msg, store: p.t, sink: p, deadline: p.deadline, done: make(chan struct{})}
	if err := s.confirms.enter(confirm); err != nil {
		return err
	}
	if err := s.write(ctx, confirm); err != nil {
		s.confirms.resolve(confirm, err)
	}
	return nil
}

func (p *Pending) message() (*nats.Msg, error) {
	subject, err := p.t.subject(p.put.Key)
	if err != nil {
		return nil, err
	}
	msg := &nats.Msg{Subject: subject, Header: p.header(), Data: p.put.Value}
	size := msg.Size() - len(subject)
	if limit := p.t.s.maxPayload.Load(); int64(size) > limit {
		return nil, errPrecondition("value size %d, its properties among it, is larger than the server's limit of %d", size, limit)
	}
	return msg, nil
}

func (p *Pending) header() nats.Header {
	h := make(nats.Header, 5)
	h[jetstream.MsgRollup] = rollsUp
	if ttl := p.ttl(); ttl != nil {
		h[jetstream.MsgTTLHeader] = ttl
	}
	if p.deletes {
		h[operation] = deleted
	}
	if p.put.ID != "" {
		h[jetstream.MsgIDHeader] = []string{amqp.EscapeHeader(p.put.ID)}
	}
	if p.put.Expect != Any {
		h[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(p.expected, 10)}
		h[tokenHeader] = []string{p.token}
	}
	return h
}

var (
	deleted = []string{purged}
	// rollsUp is on every write: it takes what was there before away, in a way that
	// is recorded, which a limit of one message a subject is not.
	rollsUp = []string{jetstream.MsgRollupSubject}
)

func (p *Pending) ttl() []string {
	switch {
	case p.deletes:
		return p.t.marker
	case p.put.TTL > 0:
		return []string{ttlHeader(p.put.TTL)}
	}
	return p.t.ttl
}

// ttlHeader writes whole seconds.
func ttlHeader(ttl time.Duration) string {
	return strconv.FormatInt(int64(ttl/time.Second), 10) + "s"
}

// tokenHeader tells a write that expects something from others that do: when its
// confirm is lost, it is looked for.
const tokenHeader = "Warren-Put"

// resolved deals with the answer to a try.
func (p *Pending) resolved(c *Confirm) {
	switch {
	case c.err == nil:
		p.end(c.revision, nil)
	case p.mayKnowMore(c.err):
		if !p.t.s.run(func() { p.findOut(c.err) }) {
			p.giveUp(ErrClosed)
		}
	default:
		p.giveUp(p.refusal(c.err))
	}
}

// mayKnowMore reports whether an answer is not the last word.
func (p *Pending) mayKnowMore(err error) bool {
	switch {
	case p.put.Expect == Any, errors.Is(err, ErrClosed), errors.Is(err, nats.ErrConnectionClosed), isContextError(err):
		return false
	case jsapi.IsError(err, jsapi.CodeWrongLastSequenceConstant):
		return true // another write must come to its end first, perhaps this one
	case jsapi.IsConflict(err):
		return p.unsure || p.put.Expect == Absent
	}
	return errors.Is(err, ErrUnconfirmed)
}

func isContextError(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// refusal is an answer as the caller has it.
func (p *Pending) refusal(err error) error {
	if !jsapi.IsConflict(err) {
		return err
	}
	conflict := &ConflictError{Key: p.put.Key}
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == jsapi.CodeWrongLastSequence {
		_, _ = fmt.Sscanf(api.Description, "wrong last sequence: %d", &conflict.Revision)
	}
	return conflict
}

// findOut goes on where an answer was not the last word, until there is one, or
// no time is left.
func (p *Pending) findOut(err error) {
	ctx, cancel := context.WithDeadline(p.t.s.ctx, p.deadline)
	defer cancel()
	p.tries++
	if jsapi.IsConflict(err) {
		p.lookAgain(ctx)
		return
	}
	// The same try once more is safe: of all that expect one sequence, the
	// stream takes one.
	p.unsure = true
	p.sendAgain(ctx)
}

func (p *Pending) sendAgain(ctx context.Context) {
	err := jsapi.Sleep(ctx, min(time.Duration(p.tries)*time.Millisecond, 100*time.Millisecond))
	if err == nil {
		err = p.send(ctx)
	}
	if err != nil {
		p.giveUp(err)
	}
}

// giveUp ends a write about which no more can be found out.
func (p *Pending) giveUp(err error) {
	if p.t.s.ctx.Err() != nil {
		err = ErrClosed
	}
	if p.unsure && !errors.Is(err, ErrUnconfirmed) {
		err = errors.Join(ErrUnconfirmed, err)
	}
	p.end(0, err)
}

// lookAgain looks at what is there instead of what was expected.
func (p *Pending) lookAgain(ctx context.Context) {
	found, err := call(ctx, p.t.s, func(ctx context.Context) (storedEntry, error) { return p.t.read(ctx, p.put.Key) })
	if err != nil {
		p.giveUp(err)
		return
	}
	p.compare(ctx, found)
}

// compare decides by what is there, or tries again.
func (p *Pending) compare(ctx context.Context, found storedEntry) {
	conflict := &ConflictError{Key: p.put.Key, Revision: found.Revision}
	switch {
	case found.header.Get(tokenHeader) == p.token:
		p.end(found.Revision, nil)
	case found.Revision == p.expected:
		p.sendAgain(ctx) // nothing is decided yet
	case p.unsure && found.header.Get(jetstream.ExpectedLastSubjSeqHeader) == strconv.FormatUint(p.expected, 10):
		p.end(0, conflict) // another one took the place
	case p.unsure:
		p.end(0, fmt.Errorf("%w: the entry was written again since", ErrUnconfirmed))
	case found.Revision != 0 && found.Gone == Present:
		p.end(0, conflict)
	default:
		p.expected = found.Revision
		p.sendAgain(ctx)
	}
}
