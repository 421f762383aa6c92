package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/amqp"
	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// A Binding says which messages of an exchange a queue wants. Two bindings
// that differ in anything are two, be it the type of an argument.
type Binding struct {
	// Exchange is bound from; the default exchange is bound to every queue
	// already and takes no bindings.
	Exchange string
	// Queue is bound to.
	Queue string
	// Key is the routing key a direct exchange compares with, or the pattern of
	// a topic exchange. Default: the empty key.
	Key string
	// Args are what a headers exchange matches with. Default: none.
	Args Table
}

// bindingRecord is a binding in the record of its queue, or in a page of it. It holds for messages
// of the exchange's stream in (From, Until]: those published between bind and
// unbind. Until is 0 while the binding stands.
type bindingRecord struct {
	Exchange string `json:"exchange"`
	Volatile bool   `json:"volatile,omitempty"` // in which of the exchange's streams
	Life     string `json:"life"`
	Kind     Kind   `json:"kind"`
	Key      string `json:"key,omitempty"`
	Args     Table  `json:"args,omitempty"`
	From     uint64 `json:"from"`
	Until    uint64 `json:"until,omitempty"`
	Ended    bool   `json:"ended,omitempty"`
	// Settled says that all its messages are, and that the view is being narrowed or
	// taken away: whoever finds it so does that.
	Settled bool   `json:"settled,omitempty"`
	page    string // where it is stored, if not in the record itself
}

func (b *bindingRecord) is(x *exchangeRecord, want Binding) bool {
	return !b.Ended && b.Exchange == x.Name && b.Life == x.Life && b.Key == want.Key &&
		amqp.Identical(b.Args, want.Args)
}

func (b *bindingRecord) binding(queue string) Binding {
	return Binding{Exchange: b.Exchange, Queue: queue, Key: b.Key, Args: b.Args}
}

// boundTo reports whether a binding to that life of an exchange stands.
func (rec *queueRecord) boundTo(x *exchangeRecord) bool {
	return slices.ContainsFunc(rec.Bindings, func(b bindingRecord) bool {
		return !b.Ended && b.Exchange == x.Name && b.Life == x.Life
	})
}

// Bind binds a queue to an exchange. Binding twice is binding once. An exchange
// or a queue that is not there is 404, the default exchange 403, a queue
// exclusive to another session 405, a pattern of more than two '#', an x-match that
// does not exist, or arguments longer than the server takes 406. When it returns, the next publish obeys it,
// from every process; messages published before stay out.
func (s *Session) Bind(ctx context.Context, b Binding) error {
	err := s.do(ctx, func(ctx context.Context) error { return s.bind(ctx, b) })
	if err != nil {
		return fmt.Errorf("bind queue %q to exchange %q: %w", b.Queue, b.Exchange, err)
	}
	return nil
}

func (s *Session) bind(ctx context.Context, b Binding) error {
	for {
		again, err := s.bindOnce(ctx, b)
		if !again || ctx.Err() != nil {
			return err
		}
	}
}

// bindOnce is bind; again says that what the session knew of the ends has changed. An
// exchange that it knows is not read before: whether it is there still, is asked at the end.
func (s *Session) bindOnce(ctx context.Context, b Binding) (again bool, err error) {
	if err := notDefault(b.Exchange); err != nil {
		return false, err
	}
	rec, err := s.knownQueue(ctx, b.Queue)
	if err != nil {
		return false, err
	}
	x, known, err := s.exchanges.recall(ctx, b.Exchange)
	if err != nil {
		return false, err
	}
	mustMove := x.Moving
	if err = routing.CheckBinding(x.Kind, routing.Binding{Key: b.Key, Args: b.Args}); err == nil && !mustMove {
		err = s.changeQueue(ctx, rec, func(change *queueChange) (err error) {
			mustMove = x.Volatile && change.rec.survives()
			if !mustMove {
				mustMove, err = change.bind(ctx, x, b)
			}
			return err
		})
	}
	switch {
	case errors.Is(err, errConflict):
		return true, err
	case known && errors.As(err, new(*Error)): // it may be because of what the exchange was
		s.exchanges.forget(b.Exchange)
		return true, err
	case err != nil || !mustMove:
		return false, err
	}
	err = s.exchanges.moveToFiles(ctx, x.Name)
	s.exchanges.forget(b.Exchange)
	return err == nil, err
}

// bind records the binding with the exchange's last sequence, widens the view,
// tells the consumers, and only then returns. Moved says that the exchange has
// moved meanwhile, and that all is to be done again.
func (c *queueChange) bind(ctx context.Context, x *exchangeRecord, b Binding) (moved bool, err error) {
	for i := range c.rec.Bindings {
		if c.rec.Bindings[i].is(x, b) {
			return c.bindAgain(ctx, x)
		}
	}
	last, err := c.q.exchanges.keep(ctx, x)
	if err != nil {
		if jsapi.IsError(err, jsapi.CodeSubjectOverlap) {
			return true, nil // the other stream listens already
		}
		return false, err
	}
	added := bindingRecord{
		Exchange: x.Name, Volatile: x.Volatile, Life: x.Life, Kind: x.Kind, Key: b.Key, Args: b.Args, From: last,
	}
	if err := c.q.topology.fits("the binding", added.size()); err != nil {
		return false, err
	}
	first := !slices.Contains(c.rec.origins(), x.origin())
	c.rec.Bindings = append(c.rec.Bindings, added)
	subjects, err := c.planView(ctx, x.origin())
	if err != nil {
		return false, err
	}
	if err := c.save(ctx); err != nil {
		return false, err
	}
	view := c.makeView
	if first && len(subjects) > 0 {
		view = c.beginView
	}
	if moved, err := c.bound(ctx, x, func() error { return view(ctx, x.origin(), subjects) }); moved || err != nil {
		return moved, err
	}
	c.q.explainBinding("queue.bind", b, x, c.rec)
	return false, nil
}

// bindAgain makes sure of a binding that there is.
func (c *queueChange) bindAgain(ctx context.Context, x *exchangeRecord) (moved bool, err error) {
	if c.assumed {
		if err := c.save(ctx); err != nil {
			return false, err
		}
	}
	return c.bound(ctx, x, func() error { return c.deriveView(ctx, x.origin()) })
}

// bound makes the view of a bind that is recorded, unless the exchange's end has overtaken
// it, or its move. Whoever ends or moves the exchange from now on finds the record.
func (c *queueChange) bound(ctx context.Context, x *exchangeRecord, makeView func() error) (moved bool, err error) {
	var made error
	var now *exchangeRecord
	err = sideBySide(2, func(i int) (err error) {
		if i == 0 {
			made = makeView()
			return nil
		}
		now, err = c.q.exchanges.standing(ctx, x.Name)
		return err
	})
	switch {
	case made != nil && !errors.Is(made, jetstream.ErrStreamNotFound):
		return false, made
	case err != nil:
		return false, err
	case now == nil || now.Life != x.Life:
		return false, c.overtaken(ctx, x)
	case x.Volatile && !now.Volatile:
		return true, c.leaveMemory(ctx, now)
	case made != nil:
		return false, made
	}
	return x.Volatile && now.Moving, c.tell(ctx)
}

// overtaken undoes a bind that an exchange's end overtook, with the stream that
// the bind may have made again.
func (c *queueChange) overtaken(ctx context.Context, x *exchangeRecord) error {
	if _, err := c.endBindings(ctx, x, func(*bindingRecord) bool { return true }); err != nil {
		return err
	}
	if err := c.q.exchanges.clearGone(ctx, x.Name); err != nil {
		return err
	}
	return errNotFound("no exchange '%s' in vhost '%s'", x.Name, c.q.cfg.ShownVHost)
}

// Unbind removes a binding. Messages it has routed already stay in the queue.
// Removing a binding that is not there succeeds, also when its exchange or its
// queue is not there.
func (s *Session) Unbind(ctx context.Context, b Binding) error {
	err := s.do(ctx, func(ctx context.Context) error { return s.unbind(ctx, b) })
	if err != nil {
		return fmt.Errorf("unbind queue %q from exchange %q: %w", b.Queue, b.Exchange, err)
	}
	return nil
}

func (s *Session) unbind(ctx context.Context, b Binding) error {
	if err := checkQueueName(b.Queue); err != nil {
		return err
	}
	for {
		err := s.unbindOnce(ctx, b)
		if isNotFound(err) {
			return nil
		}
		if !errors.Is(err, errConflict) || ctx.Err() != nil {
			return err
		}
	}
}

// unbindOnce is unbind; errConflict says that the queue has changed since the session knew
// it.
func (s *Session) unbindOnce(ctx context.Context, b Binding) error {
	if err := notDefault(b.Exchange); err != nil {
		return err
	}
	rec, err := s.knownQueue(ctx, b.Queue)
	if err != nil {
		return err
	}
	x, _, err := s.exchanges.need(ctx, b.Exchange)
	if err != nil {
		return err
	}
	ended := false
	err = s.changeQueue(ctx, rec, func(change *queueChange) error {
		now, err := change.endBindings(ctx, x, func(have *bindingRecord) bool { return have.is(x, b) })
		ended = ended || now || err != nil
		if err == nil {
			s.queues.explainBinding("queue.unbind", b, x, change.rec)
		}
		return err
	})
	if err != nil || !ended || !x.AutoDelete {
		return err
	}
	return s.exchanges.dropUnbound(ctx, x.Name)
}

// endBindings ends the chosen bindings to a life of an exchange at the
// exchange's last sequence, and reports whether there were any. The filters
// stay until the queue has settled all messages up to there: taking a filter
// away deletes what waits behind it.
func (c *queueChange) endBindings(ctx context.Context, x *exchangeRecord, chosen func(*bindingRecord) bool) (ended bool, err error) {
	var ending []*bindingRecord
	for i := range c.rec.Bindings {
		b := &c.rec.Bindings[i]
		if !b.Ended && b.Exchange == x.Name && b.Life == x.Life && chosen(b) {
			ending = append(ending, b)
		}
	}
	if len(ending) == 0 {
		return false, nil
	}
	for _, o := range bothOrigins(x.Name) {
		if !slices.ContainsFunc(ending, func(b *bindingRecord) bool { return b.origin() == o }) {
			continue
		}
		if err := c.endAt(ctx, x, o, ending); err != nil {
			return false, err
		}
	}
	if err := c.save(ctx); err != nil {
		return false, err
	}
	if err := c.tell(ctx); err != nil {
		return false, err
	}
	return true, c.settleEnded(ctx)
}

// endAt ends those of the bindings that draw on one origin.
func (c *queueChange) endAt(ctx context.Context, x *exchangeRecord, o origin, ending []*bindingRecord) error {
	if o == x.origin() {
		if err := c.q.exchanges.setWide(ctx, x.Name); err != nil {
			return err
		}
	}
	final := c.q.reader.lastSequence
	if o != x.origin() || x.Deleting {
		final = c.q.exchanges.finalSequence
	}
	last, err := final(ctx, o)
	if err != nil {
		return err
	}
	for _, b := range ending {
		if b.origin() == o {
			b.Until, b.Ended = last, true
		}
	}
	return nil
}

// dropUnboundOf deletes the auto-delete exchanges that a queue's end unbound.
func (es *exchanges) dropUnboundOf(ctx context.Context, bindings []bindingRecord) error {
	var seen []string
	for i := range bindings {
		name := bindings[i].Exchange
		if bindings[i].Ended || slices.Contains(seen, name) || es.staysUnbound(&bindings[i]) {
			continue
		}
		seen = append(seen, name)
		if err := es.dropUnbound(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// staysUnbound reports whether it is known that the exchange of a binding stays when its
// last binding goes.
func (es *exchanges) staysUnbound(b *bindingRecord) bool {
	known, is, _ := es.look(b.Exchange)
	return is && known.rec.Life == b.Life && !known.rec.AutoDelete
}

// Bindings lists the bindings of the virtual host by exchange, queue and key,
// those of the default exchange among them. With a [DamagedError], the list is
// complete but for what that names.
func (s *Session) Bindings(ctx context.Context) ([]Binding, error) {
	return call(ctx, s, s.bindings)
}

func (s *Session) bindings(ctx context.Context) ([]Binding, error) {
	if s.isClosed() {
		return nil, ErrClosed
	}
	if err := s.janitor.sweepSessions(ctx); err != nil {
		return nil, err
	}
	queues, damaged := s.topology.queues(ctx)
	if damaged != nil && !isDamage(damaged) {
		return nil, damaged
	}
	var list []Binding
	for i := range queues {
		rec := &queues[i]
		if !s.epoch.standsQueue(rec) {
			continue
		}
		list = append(list, Binding{Queue: rec.Name, Key: rec.Name})
		for j := range rec.Bindings {
			if b := &rec.Bindings[j]; !b.Ended && (!b.Volatile || !rec.twin(b)) {
				list = append(list, rec.Bindings[j].binding(rec.Name))
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Binding) int {
		for _, c := range []int{
			strings.Compare(a.Exchange, b.Exchange),
			strings.Compare(a.Queue, b.Queue),
			strings.Compare(a.Key, b.Key),
		} {
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return list, damaged
}
