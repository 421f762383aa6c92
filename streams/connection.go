package streams

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/jsapi"
)

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

// recoverSession puts right what a lost connection may have broken: the broker
// may be another life of itself, and pull requests and notices were lost. It
// tries until it is done, or the connection is lost again.
func (s *Session) recoverSession(ctx context.Context) {
	s.exchanges.clear()
	late := time.AfterFunc(s.cfg.Timeout, func() { s.goOnline(ctx) }) // let publishers see for themselves
	defer late.Stop()
	for pause := (jsapi.Backoff{First: 10 * time.Millisecond, Most: time.Second}); ; {
		try, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		err := s.rejoin(try, true)
		cancel()
		if err == nil || pause.Wait(ctx) != nil {
			return
		}
		if pause.IsLongest() {
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
	if err := s.attendance.appear(ctx); err != nil {
		return err
	}
	for _, u := range s.allUsers() {
		u.doubt()
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
