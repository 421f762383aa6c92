package streams

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// follow has the session deal with a state of the connection, behind those before it:
// for publishers that wait for it, and for what must be put right after it was lost.
func (s *Session) follow(status nats.Status) {
	s.mu.Lock()
	s.statuses = append(s.statuses, status)
	begins := !s.following
	s.following = true
	s.mu.Unlock()
	if begins {
		s.run(s.followAll)
	}
}

// followAll deals with all states that there are.
func (s *Session) followAll() {
	for {
		ctx, status, ok := s.nextStatus()
		if !ok {
			return
		}
		s.connectionChanged(ctx, status)
	}
}

// nextStatus is the next state, if there is one. It ends what was done about the last.
func (s *Session) nextStatus() (context.Context, nats.Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.statuses) == 0 || s.ctx.Err() != nil {
		s.following = false
		return nil, 0, false
	}
	if s.overStatus != nil {
		s.overStatus()
	}
	status := s.statuses[0]
	s.statuses = s.statuses[1:]
	ctx, over := context.WithCancel(s.ctx)
	s.overStatus = over
	return ctx, status, true
}

// connectionChanged deals with a state, for as long as the context: what it puts
// right may be broken again by the next one.
func (s *Session) connectionChanged(ctx context.Context, status nats.Status) {
	switch status {
	case nats.CONNECTED:
		s.noteServer()
		s.confirms.reconnected()
		s.run(func() { s.recoverSession(ctx) })
		for _, n := range s.allNotices() {
			s.run(func() { n.catchUp(ctx) })
		}
	case nats.RECONNECTING, nats.DISCONNECTED:
		s.goOffline()
		s.confirms.disconnected()
		for _, n := range s.allNotices() {
			n.hold()
		}
	case nats.CLOSED:
		s.confirms.fail(nats.ErrConnectionClosed)
		s.goOnline(ctx) // nothing to wait for: let publishers see the error
		s.cancelAll(nats.ErrConnectionClosed)
	}
}

// goOnline opens the gate that publishers wait at, unless the connection was
// lost since.
func (s *Session) goOnline(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() == nil && !isClosed(s.online) {
		close(s.online)
	}
}

func (s *Session) goOffline() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isClosed(s.online) {
		s.online = make(chan struct{})
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// awaitOnline waits for the connection, so that nothing is left in a buffer
// that may or may not be sent. The connection itself cannot be asked: it is
// locked while a write is under way, which a stalled broker may hold up.
func (s *Session) awaitOnline(ctx context.Context) error {
	s.mu.Lock()
	online := s.online
	s.mu.Unlock()
	if isClosed(online) {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	select {
	case <-online:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// recoverSession puts right what a lost connection may have broken: the broker
// may be another life of itself, and pull requests and notices were lost. It
// tries until it is done, or the connection is lost again.
func (s *Session) recoverSession(ctx context.Context) {
	s.exchanges.clear()
	late := time.AfterFunc(s.cfg.Timeout, func() { s.goOnline(ctx) }) // let publishers see for themselves
	defer late.Stop()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		try, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		err := s.rejoin(try, true)
		cancel()
		if err == nil || sleep(ctx, wait) != nil {
			return
		}
		if wait == time.Second {
			s.cfg.Logger.Warn("recovery after a lost connection is not complete", "error", err)
		}
	}
}

// rejoin brings epoch, registrations and consumers up to date. After a reconnection
// the server has forgotten what consumers had asked for.
func (s *Session) rejoin(ctx context.Context, reconnected bool) error {
	if err := s.openLive(ctx); err != nil {
		return err
	}
	if err := s.appear(ctx); err != nil {
		return err
	}
	// What ended with the broker is cleared away: publishers may go on.
	if reconnected {
		s.goOnline(ctx)
	}
	for _, u := range s.allUsers() {
		if err := s.enrollAnew(ctx, u.queue); err != nil {
			return err
		}
		if err := u.readmit(ctx); err != nil {
			return err
		}
		if err := s.refresh(ctx, u.queue, reconnected); err != nil {
			return err
		}
	}
	return nil
}
