package streams

import (
	"context"
	"time"

	"warren/streams/internal/jsapi"
)

// watch looks after the queue until nobody uses it any more: it renews the lease of what is
// ready and of what is held, a third of it at a time, and asks again where a request was lost.
func (d *dispatcher) watch(ctx context.Context, lease time.Duration) {
	renewals := time.NewTicker(lease / 3)
	defer renewals.Stop()
	checks := time.NewTicker(heartbeat)
	defer checks.Stop()
	for {
		select {
		case <-d.over:
			return
		case <-ctx.Done():
			return
		case <-renewals.C:
			if d.host.connected() { // otherwise there is nobody to tell
				_ = d.renew()
				d.host.renewHeld()
			}
		case now := <-checks.C:
			d.missed(now)
		}
	}
}

// renew extends the lease of everything the session holds of the queue.
func (u *user) renew() {
	_ = u.taken.renew()
	for _, c := range u.list() {
		_ = c.ledger.renew()
	}
}

// refreshSoon looks at a queue again whose requests the server ended, after a
// moment in which a new leader may be found. One looks after a queue at a time.
func (s *Session) refreshSoon(queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, looking := s.refreshing[queue]
	s.refreshing[queue] = looking // again
	if !looking {
		s.run(func() { s.refreshLater(queue) })
	}
}

func (s *Session) refreshLater(queue string) {
	pause := jsapi.Backoff{First: 20 * time.Millisecond, Most: time.Second}
	for pause.Wait(s.ctx) == nil {
		s.refreshBegins(queue)
		ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
		err := s.refresh(ctx, queue)
		cancel()
		if err == nil {
			s.uses.goOn(queue, false)
		}
		if err == nil && s.refreshed(queue) {
			return
		}
		if err != nil && !s.isClosed() {
			s.cfg.Logger.Warn("could not look at a queue again", "queue", queue, "error", err)
		}
	}
}

// refreshBegins notes that what ends from now on is to be looked at again.
func (s *Session) refreshBegins(queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshing[queue] = false
}

// refreshed reports whether nothing has ended since.
func (s *Session) refreshed(queue string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refreshing[queue] {
		return false
	}
	delete(s.refreshing, queue)
	return true
}
