package streams

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// rounds is how often, all sessions taken together, what dead sessions left is
// cleared away.
const rounds = 5 * time.Second

// janitor takes its turn at clearing away what sessions that died have left:
// exclusive queues, auto-delete queues without consumers, registrations. The
// sessions of a virtual host share one turn, a key that expires.
func (s *Session) janitor() {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
	defer cancel()
	s.clock.renew(ctx) // before anything goes because of its time
	if s.takeTurn(ctx) {
		if err := s.sweepSessions(ctx); err != nil && s.ctx.Err() == nil {
			s.cfg.Logger.Warn("could not clear away what dead sessions left", "error", err)
		}
		if err := s.sweepSomeQueues(ctx); err != nil && s.ctx.Err() == nil {
			s.cfg.Logger.Debug("could not drop all messages that have ended", "error", err)
		}
	}
	s.enrollUntold(ctx)
	s.settleUsed(ctx)
}

// sweptQueues is how many queues of those that may have messages with an expiration of
// their own are looked at in a round.
const sweptQueues = 20

// sweepSomeQueues drops messages that have ended and that nobody asks for, so that they do
// not take room: in all queues with a TTL, and in some of the others.
func (s *Session) sweepSomeQueues(ctx context.Context) error {
	queues, err := readable(s.topology.queues(ctx))
	if err != nil {
		return err
	}
	rand.Shuffle(len(queues), func(i, j int) { queues[i], queues[j] = queues[j], queues[i] })
	var errs error
	others := 0
	for i := range queues {
		rec := &queues[i]
		if rec.MessageTTL == nil {
			others++
		}
		if !s.standsQueue(rec) || rec.Busy != "" || rec.MessageTTL == nil && others > sweptQueues {
			continue
		}
		errs = errors.Join(errs, s.sweepQueue(ctx, rec, isTask))
	}
	return errs
}

func (v vhost) turnSubject() string { return v.liveSubject() + ".janitor" }

// takeTurn reports whether this session is the one to do this round.
func (s *Session) takeTurn(ctx context.Context) bool {
	if !s.nc.IsConnected() {
		return false
	}
	msg := &nats.Msg{Subject: s.vhost.turnSubject(), Header: nats.Header{}, Data: []byte(s.id)}
	msg.Header.Set(jetstream.MsgTTLHeader, (rounds - time.Second).String())
	_, err := jsapi.CompareAndSet(ctx, s.js, s.live, msg, 0)
	return err == nil
}

// sweepSessions clears away what sessions that are gone have left.
func (s *Session) sweepSessions(ctx context.Context) error {
	if s.isClosed() {
		return ErrClosed
	}
	queues, err := readable(s.topology.queues(ctx))
	if err != nil {
		return err
	}
	_, err = s.sweepSessionsOf(ctx, queues)
	return err
}

// sweepSessionsOf is sweepSessions of who has read all queues, and reports whether it
// cleared something away.
func (s *Session) sweepSessionsOf(ctx context.Context, queues []queueRecord) (cleared bool, err error) {
	subjects, err := s.registry.registered(ctx, ">")
	if err != nil {
		return false, err
	}
	names := make(map[string]bool)
	for _, subject := range subjects {
		if _, session, left := parseRegistration(subject); !left {
			names[session] = true
		}
	}
	for i := range queues {
		if queues[i].Owner != "" {
			names[queues[i].Owner] = true
		}
	}
	dead, err := s.peers.deadAmong(ctx, names)
	if err != nil || len(dead) == 0 {
		return false, err
	}
	var left []registration
	for session := range dead {
		some, err := s.registry.registrations(ctx, "*."+session)
		if err != nil {
			return true, err
		}
		left = append(left, some...)
	}
	return true, errors.Join(s.sweepOwned(ctx, queues, dead), s.sweepRegistrations(ctx, left, dead))
}

// sweepUsers clears away what dead users of one queue have left, before it is
// declared: if it goes with its last consumer it went with them, and the new one
// has nothing to do with them.
func (s *Session) sweepUsers(ctx context.Context, queue string) error {
	left, err := s.registry.registrations(ctx, routing.NameToken(queue)+".*")
	if err != nil {
		return err
	}
	names := make(map[string]bool)
	for _, r := range left {
		names[r.Session] = true
	}
	dead, err := s.peers.deadAmong(ctx, names)
	if err != nil {
		return err
	}
	return s.sweepRegistrations(ctx, left, dead)
}

// deadAmong asks sessions for a sign of life and gives those that are gone.
func (p *peers) deadAmong(ctx context.Context, names map[string]bool) (map[string]bool, error) {
	sessions := make([]string, 0, len(names))
	for name := range names {
		sessions = append(sessions, name)
	}
	answers, err := p.askAll(ctx, sessions, question{})
	if err != nil {
		return nil, err
	}
	dead := make(map[string]bool)
	for i, a := range answers {
		if a == nil {
			dead[sessions[i]] = true
		}
	}
	return dead, nil
}

func (s *Session) sweepOwned(ctx context.Context, queues []queueRecord, dead map[string]bool) error {
	var errs error
	for i := range queues {
		if dead[queues[i].Owner] {
			errs = errors.Join(errs, s.removeQueue(ctx, queues[i].Name, queues[i].Life))
		}
	}
	return errs
}

func (s *Session) sweepRegistrations(ctx context.Context, left []registration, dead map[string]bool) error {
	var errs error
	for _, r := range left {
		if !dead[r.Session] {
			continue
		}
		if r.Consuming {
			theirs := func(there *claim) bool { return there.Session == r.Session }
			errs = errors.Join(errs, s.endUse(ctx, r.Queue), s.endClaim(ctx, r.Queue, theirs))
		}
		// This registration and no later one: a session that was cut off when it was
		// looked for may be back, and registered again.
		errs = errors.Join(errs, s.live.drop(ctx, r.sequence))
		if r.Consuming {
			errs = errors.Join(errs, s.dropUnused(ctx, r.Queue))
		}
	}
	return errs
}

// endUse tells of a queue that expires that it was used until now: by a consumer whose end
// nobody has told.
func (s *Session) endUse(ctx context.Context, queue string) error {
	rec := new(queueRecord)
	revision, err := s.topology.get(ctx, queueKey(queue), rec)
	if err != nil || revision == 0 {
		return err
	}
	return s.tellUse(ctx, rec)
}

// dropUnused deletes an auto-delete queue whose last consumer has gone.
func (s *Session) dropUnused(ctx context.Context, queue string) error {
	rec := new(queueRecord)
	revision, err := s.topology.get(ctx, queueKey(queue), rec)
	if err != nil || revision == 0 || !rec.AutoDelete {
		return err
	}
	in, err := s.usage(ctx, queue)
	if err != nil || in.consumers > 0 {
		return err
	}
	if err := s.removeQueue(ctx, queue, rec.Life); err != nil || len(in.left) == 0 {
		return err
	}
	return s.registry.forgetLeftovers(ctx, queue)
}

// registrations reads who uses what.
func (g *registry) registrations(ctx context.Context, filter string) ([]registration, error) {
	subjects, err := g.registered(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := make([]registration, 0, len(subjects))
	for _, subject := range subjects {
		if strings.HasSuffix(subject, leftoverMark) {
			continue
		}
		msg, err := jsapi.LastMessage(ctx, g.live, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var r registration
		r.sequence = msg.Sequence
		if json.Unmarshal(msg.Data, &r) == nil && strings.HasSuffix(subject, r.Session) {
			list = append(list, r)
		}
	}
	return list, nil
}

// settleUsed forgets, for the queues this session uses, ended bindings whose
// messages are settled.
func (s *Session) settleUsed(ctx context.Context) {
	for _, u := range s.allUsers() {
		rec := u.record()
		if rec == nil || len(rec.endedOrigins()) == 0 {
			continue
		}
		if err := s.settleEnded(ctx, u.queue); err != nil && s.ctx.Err() == nil {
			s.cfg.Logger.Warn("could not narrow the views of a queue", "queue", u.queue, "error", err)
		}
	}
}
