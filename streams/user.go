package streams

import (
	"context"
	"errors"
	"sync"
)

// A user is one session's use of one queue: its consumers, and what was taken
// with Get. It is registered with the broker for as long as either lasts, so
// that whoever changes the queue knows whom to tell, and so that a session
// that dies is missed.
type user struct {
	s     *Session
	queue string
	d     *dispatcher
	taken *ledger // what Get took
	gets  gets    // what the next Get needs

	// The lock of the node's uses guards these.
	consumers map[*Consumer]struct{}
	getting   int  // how many are under way
	consumed  bool // it has had a consumer
	got       bool // it has had a Get
	gone      bool // the queue has

	mu      sync.Mutex
	rec     *queueRecord
	current bool // rec is what the queue is: of a change this session would be told
}

func newUser(s *Session, queue string, d *dispatcher) *user {
	u := &user{s: s, queue: queue, d: d, consumers: make(map[*Consumer]struct{})}
	u.taken = newLedger(taker{u})
	u.taken.send, u.taken.explain = s.settleRaw, s.explains()
	return u
}

func (s *Session) userOf(queue string) *user {
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	return s.users[queue]
}

func (s *Session) allUsers() []*user {
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	list := make([]*user, 0, len(s.users))
	for _, u := range s.users {
		list = append(list, u)
	}
	return list
}

// use registers this session's use of a queue and then loads the queue: in
// that order, so that a change either is told to this user or is loaded. It is
// used by a consumer, or by a Get, which is nil. After a reconnection it waits until
// the session knows the broker's life: what is marked as redelivered depends on it.
func (s *Session) use(ctx context.Context, queue string, c *Consumer) (*user, error) {
	if err := checkQueueName(queue); err != nil {
		return nil, err
	}
	if err := s.awaitOnline(ctx); err != nil {
		return nil, err
	}
	u, err := s.join(queue, c)
	if err != nil {
		return nil, err
	}
	if err := u.load(ctx, c); err != nil {
		return nil, errors.Join(err, u.refuse(ctx, c, err))
	}
	u.d.watched.Do(func() { s.node.run(func() { u.d.watch(s.node.ctx, u.record().Lease) }) })
	return u, nil
}

// load is use of a user. A Get need not read a record that the session has, and would be
// told of a change of.
func (u *user) load(ctx context.Context, c *Consumer) error {
	if c == nil && u.s.uses.knows(u.queue) && u.isCurrent() {
		return nil
	}
	rec, err := u.register(ctx, c)
	if err != nil {
		return err
	}
	return u.begin(ctx, c, rec)
}

// read reads the record of the queue.
func (u *user) read(ctx context.Context, c *Consumer) error {
	rec, err := u.s.needQueue(ctx, u.queue)
	if err != nil {
		return err
	}
	return u.begin(ctx, c, rec)
}

// begin admits a consumer, and has the use follow the record.
func (u *user) begin(ctx context.Context, c *Consumer, rec *queueRecord) error {
	if c != nil {
		if err := u.s.admit(ctx, c, rec); err != nil {
			return err
		}
		if err := u.d.enter(c); err != nil {
			return err
		}
	}
	u.obey(rec)
	return nil
}

// register registers the use, and loads the queue. Where the node has a consumer of the
// queue, and so is told of its changes, it knows the queue already, and nobody is asked:
// only that it may hold more now is told, beside.
func (u *user) register(ctx context.Context, c *Consumer) (*queueRecord, error) {
	if c != nil {
		if rec := u.s.uses.known(u); rec != nil {
			c.holdsMore()
			return rec, nil
		}
	}
	if err := u.s.uses.enroll(ctx, u.queue); err != nil {
		return nil, err
	}
	return u.s.needQueue(ctx, u.queue)
}

// refuse counts out what cannot begin. A consumer that was refused may have been counted
// when the last one that consumes has left.
func (u *user) refuse(ctx context.Context, c *Consumer, reason error) error {
	if c != nil {
		_ = u.d.leave(ctx, true, nil, c)
	}
	u.dismiss(ctx, c)
	if !errors.Is(reason, ErrAccessRefused) {
		return nil
	}
	return u.s.janitor.dropUnused(ctx, u.queue)
}

// join counts a consumer, or a Get, in.
func (s *Session) join(queue string, c *Consumer) (*user, error) {
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	if s.isClosed() {
		return nil, ErrClosed
	}
	u := s.users[queue]
	if u == nil {
		u = newUser(s, queue, s.uses.begin(queue, nodeHost{s.node, queue}))
		s.uses.enter(u)
	}
	u.gone = false
	if c == nil {
		u.getting++
		u.got = true
		return u, nil
	}
	c.u, c.d = u, u.d
	u.consumers[c] = struct{}{}
	u.consumed = true
	return u, nil
}

// leave counts a consumer, or a Get, out.
func (u *user) leave(c *Consumer) {
	if c != nil {
		u.s.freeTag(c)
	}
	u.s.uses.mu.Lock()
	defer u.s.uses.mu.Unlock()
	if c == nil {
		u.getting--
		return
	}
	delete(u.consumers, c)
}

// dismiss counts a consumer, or a Get, out when it is done, and ends the use
// with the last. What the consumer has settled is not counted any more then.
func (u *user) dismiss(ctx context.Context, c *Consumer) {
	if c != nil {
		_ = c.ledger.sync(ctx, u.s) // without it, it comes back with the end of the lease
	}
	u.leave(c)
	u.end(ctx)
}

// gotten counts a Get out. The use stays for the next one, as long as the queue
// and the session do.
func (u *user) gotten(ctx context.Context) {
	u.leave(nil)
	if u.isOver() {
		u.end(ctx)
	}
}

// end ends the use, if nobody needs it any more.
func (u *user) end(ctx context.Context) {
	s := u.s
	s.uses.mu.Lock()
	if s.users[u.queue] == u && len(u.consumers) == 0 && u.getting == 0 && u.taken.count() == 0 {
		s.uses.leave(u)
		u.gets.end()
	}
	s.uses.mu.Unlock()
	if err := s.uses.enroll(ctx, u.queue); err != nil && !s.nc.IsClosed() {
		s.cfg.Logger.Warn("could not end a registration yet", "queue", u.queue, "error", err)
	}
}

// most is how many messages the use holds unsettled at most; a negative number is no
// limit. The lock of the node's uses is held.
func (u *user) most() (n int) {
	if u.got {
		return -1
	}
	for c := range u.consumers {
		n = addLimits(n, c.most())
	}
	return n
}

func (u *user) isOver() bool {
	u.s.uses.mu.Lock()
	defer u.s.uses.mu.Unlock()
	return u.gone || u.s.isClosed()
}

func (u *user) list() []*Consumer {
	u.s.uses.mu.Lock()
	defer u.s.uses.mu.Unlock()
	list := make([]*Consumer, 0, len(u.consumers))
	for c := range u.consumers {
		list = append(list, c)
	}
	return list
}

// countAt adds up, by stream, what the session holds of the queue, with what Get took, and
// counts its consumers.
func (u *user) countAt(streams map[string]int) (consumers int) {
	u.taken.countAt(streams)
	for _, c := range u.list() {
		if c.consumes() {
			consumers++
		}
		c.ledger.countAt(streams)
	}
	return consumers
}

// returned returns when the broker has put back what this session has handed back.
func (u *user) returned(ctx context.Context) error {
	return u.eachLedger(func(l *ledger) error { return l.syncReturned(ctx, u.s) })
}

// settled returns when the broker has taken note of everything this session
// has settled, so that counting does not find it still there.
func (u *user) settled(ctx context.Context) error {
	return u.eachLedger(func(l *ledger) error { return l.sync(ctx, u.s) })
}

// eachLedger does something with what each consumer holds, what Get took, and what was
// settled and was nobody's.
func (u *user) eachLedger(do func(*ledger) error) error {
	if err := errors.Join(do(u.taken), do(u.d.notes)); err != nil {
		return err
	}
	for _, c := range u.list() {
		if err := do(c.ledger); err != nil {
			return err
		}
	}
	return nil
}

// obey makes consumers follow the record of their queue. Records may arrive
// out of order: with an older one they follow the newest once more.
func (u *user) obey(rec *queueRecord) {
	u.mu.Lock()
	if u.rec != nil && u.rec.Life == rec.Life && u.rec.Version > rec.Version {
		rec = u.rec
	}
	before := rec
	if u.rec != nil {
		before = u.rec
	}
	u.rec, u.current = rec, !rec.Deleting
	u.mu.Unlock()
	if rec.Deleting || before.Life != rec.Life {
		u.void(before.Life)
	}
	for _, c := range u.list() {
		c.obey(rec)
	}
	u.d.obey(rec, u.s.queues.sourcesOf(rec))
	if rec.Deleting {
		u.lost()
	}
}

// void lets go of what is held of a queue of that life, which has gone.
func (u *user) void(life string) {
	u.d.void(life)
	u.taken.void()
	for _, c := range u.list() {
		c.give(c.ledger.void())
		c.window.fill()
	}
}

// lost ends the use of a queue that has gone. Its consumers end by themselves;
// nobody else is left to end what only Get used.
func (u *user) lost() {
	u.doubt()
	u.s.uses.mu.Lock()
	u.gone = true
	u.s.uses.mu.Unlock()
	u.s.run(func() {
		ctx, cancel := context.WithTimeout(u.s.ctx, u.s.cfg.Timeout)
		defer cancel()
		u.end(ctx)
	})
}

// isCurrent reports whether the record that the session has is of a queue that is there.
func (u *user) isCurrent() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.current && u.s.epoch.standsQueue(u.rec)
}

// doubt has the next Get read the record again.
func (u *user) doubt() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.current = false
}

func (u *user) record() *queueRecord {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.rec
}

func (u *user) hasEndedBindings() bool {
	rec := u.record()
	return rec != nil && len(rec.endedOrigins()) > 0
}

// refresh loads a queue again for its user; when it is gone the consumers are told.
func (s *Session) refresh(ctx context.Context, queue string) error {
	u := s.userOf(queue)
	if u == nil {
		return nil
	}
	rec, err := s.needQueue(ctx, queue)
	if isNotFound(err) || errors.Is(err, ErrResourceLocked) {
		if known := u.record(); known != nil {
			u.void(known.Life)
		}
		for _, c := range u.list() {
			c.expel(s.noQueue(queue))
		}
		u.lost()
		return nil
	}
	if err != nil {
		return err
	}
	u.obey(rec)
	return nil
}

// endUsers stops all consumers of the session and hands back what it holds.
func (s *Session) endUsers(ctx context.Context) error {
	var errs error
	for _, u := range s.allUsers() {
		errs = errors.Join(errs, u.close(ctx))
	}
	return errs
}

// close ends the use of a queue with the session. All that it holds goes back in order,
// also what consumers hold that were cancelled before.
func (u *user) close(ctx context.Context) error {
	list := u.list()
	var ending []*Consumer
	for _, c := range list {
		if c.end(ctx) {
			ending = append(ending, c)
		}
	}
	err := u.d.leave(ctx, true, u.taken.withdraw(nil, true), list...)
	for _, c := range ending {
		err = errors.Join(err, c.departed(ctx, err))
	}
	for _, c := range u.list() {
		u.dismiss(ctx, c)
	}
	_ = u.taken.sync(ctx, u.s) // without it, what was settled comes back with the end of the lease
	u.end(ctx)
	return err
}

// cancelAll tells every consumer that it is over.
func (s *Session) cancelAll(err error) {
	for _, u := range s.allUsers() {
		for _, c := range u.list() {
			c.cancelled(err)
		}
	}
}
