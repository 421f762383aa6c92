package streams

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// watchConnection follows the connection's state, for publishers that wait for
// it and for what must be put right after it was lost.
func (s *Session) watchConnection() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case status, ok := <-s.status:
			if !ok {
				return
			}
			s.connectionChanged(status)
		}
	}
}

func (s *Session) connectionChanged(status nats.Status) {
	switch status {
	case nats.CONNECTED:
		s.maxPayload.Store(s.nc.MaxPayload())
		s.confirms.reconnected()
		s.recoverSession()
		s.setOnline(true)
	case nats.RECONNECTING, nats.DISCONNECTED:
		s.setOnline(false)
		s.confirms.disconnected()
	case nats.CLOSED:
		s.confirms.fail(nats.ErrConnectionClosed)
		s.setOnline(true) // nothing to wait for: let publishers see the error
		s.cancelAll(nats.ErrConnectionClosed)
	}
}

// setOnline opens or closes the gate that publishers wait at.
func (s *Session) setOnline(online bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.online:
		if !online {
			s.online = make(chan struct{})
		}
	default:
		if online {
			close(s.online)
		}
	}
}

// awaitOnline waits for the connection, so that nothing is left in a buffer
// that may or may not be sent. The connection itself cannot be asked: it is
// locked while a write is under way, which a stalled broker may hold up.
func (s *Session) awaitOnline(ctx context.Context) error {
	s.mu.Lock()
	online := s.online
	s.mu.Unlock()
	select {
	case <-online:
		return nil
	default:
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
// may be another life of itself, and pull requests and notices were lost.
func (s *Session) recoverSession() {
	s.exchanges.clear()
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := s.rejoin(ctx)
		if err == nil {
			return
		}
		if sleep(ctx, wait) != nil {
			s.cfg.Logger.Warn("recovery after a lost connection is not complete", "error", err)
			return
		}
	}
}

// rejoin brings epoch, registrations and consumers up to date.
func (s *Session) rejoin(ctx context.Context) error {
	if err := s.openLive(ctx); err != nil {
		return err
	}
	// What ended with the broker is cleared away: publishers may go on.
	s.setOnline(true)
	for _, u := range s.allUsers() {
		if err := s.enrollAnew(ctx, u.queue); err != nil {
			return err
		}
		if err := s.refresh(ctx, u.queue, true); err != nil {
			return err
		}
	}
	return nil
}
