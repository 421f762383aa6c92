package streams

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A user is one session's use of one queue: its consumers, and what was taken
// with Get. It is registered with the broker for as long as either lasts, so
// that whoever changes the queue knows whom to tell, and so that a session
// that dies is missed.
type user struct {
	s     *Session
	queue string

	mu        sync.Mutex
	consumers map[*Consumer]struct{}
	taken     *ledger // what Get took
	rec       *queueRecord
	watched   sync.Once
	over      chan struct{} // closed when the use has ended
}

func newUser(s *Session, queue string) *user {
	u := &user{
		s: s, queue: queue,
		consumers: make(map[*Consumer]struct{}),
		taken:     newLedger(nil),
		over:      make(chan struct{}),
	}
	u.taken.send = s.settleRaw
	return u
}

// registration is what the broker keeps of a user.
type registration struct {
	Queue     string `json:"queue"`
	Session   string `json:"session"`
	Consuming bool   `json:"consuming,omitempty"`
	sequence  uint64 // in the live stream
}

func (s *Session) userOf(queue string) *user {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[queue]
}

func (s *Session) allUsers() []*user {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*user, 0, len(s.users))
	for _, u := range s.users {
		list = append(list, u)
	}
	return list
}

// use registers this session's use of a queue and then loads the queue: in
// that order, so that a change either is told to this user or is loaded.
func (s *Session) use(ctx context.Context, queue string, c *Consumer) (*user, error) {
	if err := checkName("queue", queue); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	u := s.users[queue]
	fresh := u == nil
	if fresh {
		u = newUser(s, queue)
		s.users[queue] = u
	}
	s.mu.Unlock()
	if c != nil {
		fresh = u.add(c) || fresh
	}
	if fresh {
		if err := u.register(ctx); err != nil {
			u.dismiss(ctx, c)
			return nil, err
		}
	}
	rec, err := s.needQueue(ctx, queue)
	if err != nil {
		u.dismiss(ctx, c)
		return nil, err
	}
	u.obey(rec)
	u.watched.Do(func() { s.run(func() { u.watch(rec.Lease) }) })
	return u, nil
}

// add counts a consumer in, and reports whether it is the first.
func (u *user) add(c *Consumer) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.consumers[c] = struct{}{}
	return len(u.consumers) == 1
}

func (u *user) list() []*Consumer {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := make([]*Consumer, 0, len(u.consumers))
	for c := range u.consumers {
		list = append(list, c)
	}
	return list
}

// counts are the consumers of this session and what they hold, with what Get
// took.
func (u *user) counts() (consumers, held int) {
	held = u.taken.count()
	for _, c := range u.list() {
		if c.counted() {
			consumers++
		}
		held += c.ledger.count()
	}
	return consumers, held
}

// settled returns when the broker has taken note of everything this session
// has settled, so that counting does not find it still there.
func (u *user) settled() {
	ctx, cancel := context.WithTimeout(u.s.ctx, silence/2)
	defer cancel()
	u.taken.sync(ctx, u.s)
	for _, c := range u.list() {
		c.ledger.sync(ctx, u.s)
	}
}

func (u *user) subject() string { return u.s.userSubject(u.queue, u.s.id) }

func (s *Session) userSubject(queue, session string) string {
	return s.vhost.liveSubject() + ".user." + nameToken(queue) + "." + session
}

func (u *user) register(ctx context.Context) error {
	consumers, _ := u.counts()
	data, err := json.Marshal(registration{Queue: u.queue, Session: u.s.id, Consuming: consumers > 0})
	if err != nil {
		return err
	}
	_, err = u.s.js.PublishMsg(ctx, &nats.Msg{Subject: u.subject(), Data: data})
	return err
}

// unregister takes the registration of a session off the broker.
func (s *Session) unregister(ctx context.Context, queue, session string) error {
	err := s.live.Purge(ctx, jetstream.WithPurgeSubject(s.userSubject(queue, session)))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}

// unregisterOnly takes this registration off the broker and no later one: a
// session that was cut off when it was looked for may be back, and registered
// again.
func (s *Session) unregisterOnly(ctx context.Context, r registration) error {
	err := s.live.DeleteMsg(ctx, r.sequence)
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		return nil // it is replaced, or somebody else did it
	}
	return err
}

// dismiss counts a consumer out when it is done, and ends the registration
// with the last use.
func (u *user) dismiss(ctx context.Context, c *Consumer) {
	u.mu.Lock()
	delete(u.consumers, c)
	unused := len(u.consumers) == 0 && u.taken.count() == 0
	u.mu.Unlock()
	if !unused {
		return
	}
	u.s.mu.Lock()
	if u.s.users[u.queue] == u {
		delete(u.s.users, u.queue)
		close(u.over)
	}
	u.s.mu.Unlock()
	if err := u.s.unregister(ctx, u.queue, u.s.id); err != nil && !u.s.nc.IsClosed() {
		u.s.cfg.Logger.Warn("could not end a registration", "queue", u.queue, "error", err)
	}
}

// obey makes consumers follow the record of their queue. Records may arrive
// out of order; an older one changes nothing.
func (u *user) obey(rec *queueRecord) {
	u.mu.Lock()
	if u.rec != nil && u.rec.Life == rec.Life && u.rec.Version > rec.Version {
		u.mu.Unlock()
		return
	}
	ended := rec.Deleting || u.rec != nil && u.rec.Life != rec.Life
	u.rec = rec
	u.mu.Unlock()
	if ended {
		u.void()
	}
	for _, c := range u.list() {
		c.obey(rec)
	}
}

// void lets go of what is held of a queue that has gone.
func (u *user) void() {
	u.taken.void()
	for _, c := range u.list() {
		c.window.give(c.ledger.void(), c)
	}
}

func (u *user) record() *queueRecord {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.rec
}

// refresh loads a queue again for its user; when it is gone the consumers are
// told. After a reconnection the server has forgotten all requests.
func (s *Session) refresh(ctx context.Context, queue string, reconnected bool) error {
	u := s.userOf(queue)
	if u == nil {
		return nil
	}
	rec, err := s.needQueue(ctx, queue)
	if isNotFound(err) || errors.Is(err, ErrResourceLocked) {
		u.void()
		for _, c := range u.list() {
			c.cancelled(s.queueGone(queue))
		}
		return nil
	}
	if err != nil {
		return err
	}
	u.obey(rec)
	for _, c := range u.list() {
		if reconnected {
			c.askAgain()
		} else {
			c.refill()
		}
	}
	return nil
}

// queueUsers are the sessions registered for a queue.
func (s *Session) queueUsers(ctx context.Context, queue string) ([]string, error) {
	subjects, err := s.registered(ctx, nameToken(queue)+".*")
	if err != nil {
		return nil, err
	}
	sessions := make([]string, len(subjects))
	for i, subject := range subjects {
		sessions[i] = subject[strings.LastIndexByte(subject, '.')+1:]
	}
	return sessions, nil
}

// registered lists the subjects of registrations.
func (s *Session) registered(ctx context.Context, filter string) ([]string, error) {
	info, err := s.live.Info(ctx, jetstream.WithSubjectFilter(s.vhost.liveSubject()+".user."+filter))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	subjects := make([]string, 0, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		subjects = append(subjects, subject)
	}
	return subjects, nil
}

// endUsers stops all consumers of the session and hands back what it holds.
func (s *Session) endUsers(ctx context.Context) error {
	var errs error
	for _, u := range s.allUsers() {
		for _, c := range u.list() {
			errs = errors.Join(errs, c.close(ctx))
		}
	}
	// Consumers that were cancelled before may hold something still.
	for _, u := range s.allUsers() {
		for _, c := range u.list() {
			c.ledger.handBack()
			u.dismiss(ctx, c)
		}
		u.taken.handBack()
		u.taken.sync(ctx, s)
		u.dismiss(ctx, nil)
	}
	return errs
}

// cancelAll tells every consumer that it is over.
func (s *Session) cancelAll(err error) {
	for _, u := range s.allUsers() {
		for _, c := range u.list() {
			c.cancelled(err)
		}
	}
}
