package workers

import (
	"context"
	"errors"
	"fmt"
	"path"
	"reflect"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// client is an app's side of its connection.
type client struct {
	app       *App
	cfg       Config
	nc        *nats.Conn
	session   *streams.Session
	store     *streams.Store
	publisher *streams.Publisher
	ids       ids
	results   *results

	mu       sync.Mutex
	declared map[string]bool

	over    chan struct{} // closed by close
	ending  sync.Once
	status  chan nats.Status
	leaders *nats.Subscription
	done    sync.WaitGroup
	stop    context.CancelFunc // of the taking of replies
}

// What an app keeps at the broker, beside its task queues.
const (
	storeName  = "tasks"
	laterQueue = "warren.later"
)

// joinExpires is how long the members of a group that something waits for may take,
// from when the last of them is due.
const joinExpires = 30 * 24 * time.Hour

func newClient(ctx context.Context, app *App, nc *nats.Conn, cfg Config) (_ *client, err error) {
	c := &client{
		app: app, cfg: cfg, nc: nc, ids: newIDs(),
		declared: make(map[string]bool), over: make(chan struct{}), stop: func() {},
	}
	if c.session, err = cfg.session(ctx, nc); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = c.session.Close(context.WithoutCancel(ctx))
		}
	}()
	if c.store, err = c.session.DeclareStore(ctx, storeName, streams.StoreOptions{TTL: joinExpires, MarkerTTL: cfg.markers}); err != nil {
		return nil, err
	}
	later := streams.Queue{Name: laterQueue, Durable: true, Schedules: true}
	if _, err = c.session.DeclareQueue(ctx, later); err != nil {
		return nil, err
	}
	if c.publisher, err = c.session.Publisher(streams.PublisherOptions{Window: 1000}); err != nil {
		return nil, err
	}
	c.results = newResults(c)
	if c.leaders, err = nc.Subscribe(leaderElected, func(*nats.Msg) { c.results.lookAgain() }); err != nil {
		return nil, err
	}
	if cfg.Replies {
		if err = c.takeReplies(ctx); err != nil {
			return nil, err
		}
	}
	c.status = nc.StatusChanged(nats.CONNECTED)
	c.done.Go(c.watchConnection)
	return c, nil
}

// leaderElected is where a cluster tells that a stream has another leader. What the
// one before did not tell any more is looked up.
const leaderElected = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.*"

// watchConnection has waiting results looked at again after a reconnection: what
// was told meanwhile was told nobody.
func (c *client) watchConnection() {
	for {
		select {
		case <-c.over:
			return
		case _, ok := <-c.status:
			if !ok {
				return
			}
			c.results.lookAgain()
		}
	}
}

func (c *client) close(ctx context.Context) error {
	c.ending.Do(func() { close(c.over) })
	c.stop()
	c.nc.RemoveStatusListener(c.status)
	_ = c.leaders.Unsubscribe() // without a connection there is nothing to end
	c.done.Wait()
	c.results.lookAgain()
	return c.session.Close(ctx)
}

// apply sends a canvas.
func (a *App) apply(ctx context.Context, sig Signature, u unique) (*handle, error) {
	c, err := a.connected()
	if err != nil {
		return nil, err
	}
	sig, err = c.freeze(sig)
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	if u != (unique{}) {
		return c.applyUnique(ctx, sig, u)
	}
	return c.applyFrozen(ctx, sig)
}

func (c *client) applyFrozen(ctx context.Context, sig Signature) (*handle, error) {
	h := c.results.handle(sig)
	eff := effects{Effects: canvas.Effects{SentAt: c.now()}}
	eff.Start(sig, nil, canvas.Beginning(sig))
	if err := c.carryWhole(ctx, sig, &eff); err != nil {
		return nil, fmt.Errorf("send %s: %w", canvas.Title(sig), err)
	}
	return h, nil
}

// bounded is the context of a call, which has a deadline.
func (c *client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.cfg.Timeout)
}

// freeze freezes a canvas, with what its tasks were defined with.
func (c *client) freeze(sig Signature) (Signature, error) {
	return canvas.Freeze(sig, c.ids.next, c.complete)
}

// complete adds what a task was defined with to a call, as far as it says how to
// send it, and checks its names, and the arguments of a task that is known here.
func (c *client) complete(sig *Signature, before reflect.Type) (reflect.Type, error) {
	t := c.app.lookup(sig.Task)
	if t == nil {
		sig.Options.Queue = c.route(sig.Task, sig.Options.Queue)
		c.askForReply(&sig.Options)
		return canvas.Any, checkCall(sig)
	}
	defined := t.opts.CallOptions
	defined.Retry, defined.SoftLimit, defined.HardLimit, defined.ResultTTL = nil, 0, 0, 0 // the worker's own
	sig.Options = canvas.Over(sig.Options, defined)
	sig.Options.Queue = c.route(sig.Task, sig.Options.Queue)
	c.askForReply(&sig.Options)
	if err := checkCall(sig); err != nil {
		return t.result, err
	}
	if before != nil {
		return t.result, t.verifyAfter(*sig, before)
	}
	return t.result, t.verify(sig.Args, sig.Kwargs)
}

// route says which queue a task goes to.
func (c *client) route(task, queue string) string {
	if queue != "" {
		return queue
	}
	queue = c.cfg.Queue
	longest := -1
	for pattern, to := range c.cfg.Routes {
		if ok, _ := path.Match(pattern, task); ok && len(pattern) > longest {
			queue, longest = to, len(pattern)
		}
	}
	return queue
}

// routed reports whether the app's routes say which queue a task goes to.
func (c *client) routed(task string) bool {
	for pattern := range c.cfg.Routes {
		if ok, _ := path.Match(pattern, task); ok {
			return true
		}
	}
	return false
}

// carryWhole carries the beginning of a canvas; if that is more than one task, all
// of them are sent, or none.
func (c *client) carryWhole(ctx context.Context, sig Signature, eff *effects) (err error) {
	if len(eff.messages()) > 1 {
		if eff.launch, err = c.newLaunch(sig, eff); err != nil {
			return err
		}
	}
	return c.carry(ctx, eff)
}

// carry does what an event brings about. Doing it twice changes nothing.
func (c *client) carry(ctx context.Context, eff *effects) error {
	if eff.none() {
		return nil
	}
	next := &effects{Effects: canvas.Effects{SentAt: eff.SentAt}, again: eff.again, final: eff.final}
	err := c.foldJoins(ctx, eff.Joins)
	if err == nil {
		err = insist(ctx, func(ctx context.Context) error { return c.keepJoins(ctx, eff.Joins) })
	}
	if eff.refuses(err) {
		if err := c.refuseJoins(ctx, eff, next, err); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	for _, m := range eff.messages() {
		if err := c.foldChain(ctx, m); err != nil && !eff.refuses(err) {
			return err
		}
	}
	if err := c.sendAll(ctx, eff); err != nil {
		return err
	}
	if len(eff.messages()) > 0 {
		reached(pointSent)
	}
	return c.carryOn(ctx, eff, next)
}

// carryOn does what follows from what was sent, and from what could not be. A permanent
// error says that there is nothing left to do, and what was lost.
func (c *client) carryOn(ctx context.Context, eff, next *effects) error {
	for _, r := range eff.refused {
		if err := c.giveUp(ctx, r, next); err != nil {
			return err
		}
	}
	var lost error
	for _, s := range eff.Slots {
		err := insist(ctx, func(ctx context.Context) error { return c.fill(ctx, s, next) })
		if err == nil {
			continue
		}
		err = fmt.Errorf("fill slot %d of group %s: %w", s.Index, s.Join, err)
		if !eff.refuses(err) {
			return err
		}
		lost = errors.Join(lost, err)
	}
	err := c.carry(ctx, next)
	if err != nil && !next.refuses(err) {
		return err
	}
	for _, id := range next.past {
		c.clear(ctx, id)
	}
	for _, id := range eff.over {
		c.clearPlan(ctx, id)
	}
	return celery.Permanent(errors.Join(lost, err))
}

func (c *client) sendAll(ctx context.Context, eff *effects) error {
	if eff.launch != nil {
		return eff.launch.send(ctx, eff)
	}
	return insist(ctx, func(ctx context.Context) error { return c.send(ctx, eff) })
}

// answerTime is how long the broker may take before it is told again: its answer
// may have gone with a server of a cluster, while the connection to another stands.
const answerTime = 5 * time.Second

// insist does what may be done twice until it is known to be done.
func insist(ctx context.Context, do func(context.Context) error) error {
	_, err := insistOn(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, do(ctx) })
	return err
}

// insistOn is insist for what gives something.
func insistOn[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	for {
		try, cancel := context.WithTimeout(ctx, answerTime)
		got, err := do(try)
		cancel()
		if !unanswered(err) || ctx.Err() != nil {
			return got, err
		}
	}
}

// keep writes what may be written twice, whatever is there.
func (c *client) keep(ctx context.Context, put streams.Put) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	return insist(ctx, func(ctx context.Context) error {
		_, err := c.store.Put(ctx, put)
		return err
	})
}

// unanswered reports whether an error says nothing but that no answer came.
func unanswered(err error) bool {
	switch {
	case errors.Is(err, streams.ErrClosed), errors.Is(err, nats.ErrConnectionClosed):
		return false
	}
	return errors.Is(err, streams.ErrUnconfirmed) || errors.Is(err, context.DeadlineExceeded)
}

// send sends tasks, and records them and those that ended without being sent.
func (c *client) send(ctx context.Context, eff *effects) error {
	var puts []*streams.Pending
	var confirms []*sending
	for _, e := range eff.Ends {
		puts = append(puts, c.begin(ctx, e))
		if err := c.reply(ctx, e.ReplyTo, endRecord(e, c.now())); err != nil {
			return err
		}
	}
	tasks := eff.messages()
	if eff.again {
		var err error
		if tasks, err = c.notBegun(ctx, tasks); err != nil {
			return err
		}
	}
	for _, m := range tasks {
		if eff.isRefused(m) {
			continue
		}
		if !m.NoResult {
			puts = append(puts, c.announce(ctx, m))
		}
		s, err := c.dispatch(ctx, m, eff.SentAt)
		if err == nil {
			confirms = append(confirms, s)
			continue
		}
		if len(confirms) > 0 {
			eff.goOn()
		}
		if err := eff.refuse(m, err); err != nil {
			return err
		}
	}
	var errs error
	for _, s := range confirms {
		errs = errors.Join(errs, eff.refuse(s.m, s.wait(ctx)))
	}
	return errors.Join(errs, recorded(ctx, puts))
}

// recordAll writes a record for each of a list, if no other is there.
func recordAll[T any](ctx context.Context, list []T, begin func(context.Context, T) *streams.Pending) error {
	return insist(ctx, func(ctx context.Context) error {
		puts := make([]*streams.Pending, len(list))
		for i, one := range list {
			puts[i] = begin(ctx, one)
		}
		return recorded(ctx, puts)
	})
}

// recorded waits until records are written, or others are there.
func recorded(ctx context.Context, puts []*streams.Pending) error {
	var errs error
	for _, p := range puts {
		if err := waitFor(ctx, p); err != nil && !errors.Is(err, streams.ErrConflict) {
			errs = errors.Join(errs, fmt.Errorf("record a task: %w", err))
		}
	}
	return errs
}

// notBegun leaves out the tasks of which there are records. The broker drops what
// is sent twice too, but forgets it: in two minutes, or with a crash.
func (c *client) notBegun(ctx context.Context, tasks []*Message) ([]*Message, error) {
	keys := make([]string, len(tasks))
	for i, m := range tasks {
		keys[i] = stateKey(m.ID)
	}
	entries, err := c.store.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	var left []*Message
	for i, m := range tasks {
		e, ok := entries[keys[i]]
		if !ok {
			left = append(left, m)
			continue
		}
		if e.Gone != streams.Present {
			continue
		}
		if rec, err := parseRecord(m.ID, e.Value); err != nil || !rec.begun(m.Retries) {
			left = append(left, m) // of what cannot be read its worker knows what to do
		}
	}
	return left, nil
}

func waitFor(ctx context.Context, p *streams.Pending) error {
	select {
	case <-p.Done():
		_, err := p.Result()
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// announce records that a task was sent, unless it was before.
func (c *client) announce(ctx context.Context, m *Message) *streams.Pending {
	r := m.about(Pending)
	r.ETA = m.ETA
	return c.put(ctx, sentKey(m.ID), r, c.cfg.ResultExpires+c.untilDue(m.ETA), streams.Absent)
}

// begin records a task that ended without being sent.
func (c *client) begin(ctx context.Context, e canvas.End) *streams.Pending {
	return c.put(ctx, stateKey(e.ID), endRecord(e, c.now()), c.cfg.ResultExpires, streams.Absent)
}

func (c *client) put(ctx context.Context, key string, r record, ttl time.Duration, e streams.Expectation) *streams.Pending {
	text, err := jsontext.Marshal(r)
	if err != nil { // a record is made of what was JSON before
		text = []byte("{}")
	}
	return c.store.Begin(ctx, streams.Put{Key: key, Value: text, TTL: wholeSeconds(ttl), Expect: e})
}

// untilDue is how long it is until a task is due; 0 for one that is, or never waits.
func (c *client) untilDue(due time.Time) time.Duration { return max(due.Sub(c.now()), 0) }

// keptFor is how long what is written of a gathering is kept.
func (c *client) keptFor(g canvas.Gathering) time.Duration {
	return joinExpires + wholeSeconds(c.untilDue(g.Due))
}

// now is the time by the broker's clock. What is told to others, or compared with what
// others have told, is of that clock; what is measured here is not.
func (c *client) now() time.Time { return c.session.Now() }

// wholeSeconds is what the store counts in: never less than was asked for.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// sending is a task on its way to its queue.
type sending struct {
	c       *client
	m       *Message
	body    streams.Message
	confirm *streams.Confirm
}

// dispatch sends a task to its queue, or to where it waits for its time.
func (c *client) dispatch(ctx context.Context, m *Message, now time.Time) (*sending, error) {
	m.Queue = c.route(m.Task, m.Queue)
	s := &sending{c: c, m: m}
	send := c.cfg.aroundSend(func(ctx context.Context, _ *Message) error { return s.begin(ctx, now) })
	return s, send(ctx, m)
}

// begin sends the task; wait waits until it has arrived.
func (s *sending) begin(ctx context.Context, now time.Time) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	if s.m.ETA.After(now) {
		return s.c.session.PublishAt(ctx, s.m.ETA, laterQueue, s.m.dispatch(), s.body)
	}
	return s.publish(ctx)
}

// write writes the message of the task.
func (s *sending) write(ctx context.Context) (err error) {
	if err := s.m.checkToSend(); err != nil {
		return err
	}
	if err := s.c.foldChain(ctx, s.m); err != nil {
		return err
	}
	for _, most := range []int{s.c.largest(), smallest} {
		if err := s.c.spillAll(ctx, s.m, most); err != nil {
			return err
		}
		s.body, err = s.m.encode()
		if err != nil || len(s.body.Body) <= 6*s.c.largest() {
			break
		}
	}
	if err == nil {
		s.c.explainSent(s.m)
	}
	return celery.Permanent(err)
}

// smallest is the size of an argument that is not kept apart, however large the message.
const smallest = 1 << 10

// publish sends what is written to the task's queue, which is made if need be.
func (s *sending) publish(ctx context.Context) (err error) {
	if err := s.c.declare(ctx, s.m.Queue, s.m.Level()); err != nil {
		return err
	}
	s.confirm, err = s.c.publisher.Publish(ctx, "", s.m.Level().queue(s.m.Queue), s.body, streams.Mandatory|streams.Deduplicate)
	return err
}

// wait waits until the broker has the task. A queue that was deleted meanwhile is
// declared again.
func (s *sending) wait(ctx context.Context) error {
	if s.confirm == nil {
		return nil
	}
	err := s.confirm.Wait(ctx)
	var returned *streams.Returned
	if !errors.As(err, &returned) {
		return err
	}
	s.c.forget(s.m.Queue, s.m.Level())
	if err := s.publish(ctx); err != nil {
		return err
	}
	return s.confirm.Wait(ctx)
}
