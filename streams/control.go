package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Sessions speak to each other on one subject each. A session that is gone
// answers at once: NATS says that nobody listens there.

// question is what one session asks another.
type question struct {
	// Queue asks how many consumers of it the session has, and how many of its
	// messages they hold.
	Queue string `json:"queue,omitempty"`
	// Changing asks whether the session is still changing that queue.
	Changing string `json:"changing,omitempty"`
	// Told is the record of a queue that has changed; the answer means that
	// the session's consumers obey it.
	Told *queueRecord `json:"told,omitempty"`
}

type answer struct {
	Consumers int  `json:"consumers,omitempty"`
	Held      int  `json:"held,omitempty"`
	Changing  bool `json:"changing,omitempty"`
	silent    bool // there was none
}

// silence is how long a session that lives may take to answer. One that takes
// longer is stopped or cut off; it obeys what it was told before it takes
// anything else, once it goes on.
const silence = 2 * time.Second

// ask puts a question to a session; a nil answer says that the session is
// gone. One that ends while it is asked may take the question with it: asked
// again, nobody listens.
func (s *Session) ask(ctx context.Context, session string, q question) (*answer, error) {
	if session == s.id {
		return s.answer(q), nil
	}
	data, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	for _, wait := range []time.Duration{silence / 10, silence - silence/10} {
		msg, err := s.put(ctx, session, data, wait)
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			return nil, nil
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			continue
		case err != nil:
			return nil, fmt.Errorf("ask session %s: %w", session, err)
		}
		a := new(answer)
		return a, json.Unmarshal(msg.Data, a)
	}
	return &answer{Changing: true, silent: true}, nil
}

// put puts a question once.
func (s *Session) put(ctx context.Context, session string, question []byte, wait time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return s.nc.RequestWithContext(ctx, s.vhost.controlSubject(session), question)
}

// alive reports whether a session is there.
func (s *Session) alive(ctx context.Context, session string) (bool, error) {
	a, err := s.ask(ctx, session, question{})
	return a != nil, err
}

// askAll puts one question to several sessions at once.
func (s *Session) askAll(ctx context.Context, sessions []string, q question) ([]*answer, error) {
	answers := make([]*answer, len(sessions))
	errs := make([]error, len(sessions))
	var group sync.WaitGroup
	for i, session := range sessions {
		group.Go(func() { answers[i], errs[i] = s.ask(ctx, session, q) })
	}
	group.Wait()
	return answers, errors.Join(errs...)
}

// tellUsers tells every session that uses a queue what its record says now,
// and returns when they obey it.
func (s *Session) tellUsers(ctx context.Context, rec *queueRecord) error {
	sessions, err := s.queueUsers(ctx, rec.Name)
	if err != nil {
		return err
	}
	// Our own consumers are told as well, and keep what they are told.
	told := *rec
	told.Bindings = slices.Clone(rec.Bindings)
	_, err = s.askAll(ctx, sessions, question{Told: &told})
	return err
}

// listenControl answers other sessions, and drops from the cache the exchanges
// that they change.
func (s *Session) listenControl() error {
	control, err := s.nc.Subscribe(s.vhost.controlSubject(s.id), func(msg *nats.Msg) {
		var q question
		if json.Unmarshal(msg.Data, &q) != nil {
			return
		}
		data, err := json.Marshal(s.answer(q))
		if err == nil {
			err = msg.Respond(data)
		}
		if err != nil {
			s.cfg.Logger.Warn("could not answer another session", "error", err)
		}
	})
	if err != nil {
		return err
	}
	prefix := len(s.vhost.changeSubject()) + 1
	changes, err := s.nc.Subscribe(s.vhost.changeSubject()+".>", func(msg *nats.Msg) {
		if name, err := tokenName(msg.Subject[prefix:]); err == nil {
			s.exchanges.forget(name)
		}
	})
	s.subs = append(s.subs, control, changes)
	return err
}

func (s *Session) answer(q question) *answer {
	a := new(answer)
	if q.Changing != "" {
		a.Changing = s.queueLocks.held(q.Changing)
	}
	if q.Queue != "" {
		if u := s.userOf(q.Queue); u != nil {
			u.settled()
			a.Consumers, a.Held = u.counts()
		}
	}
	if q.Told != nil {
		if u := s.userOf(q.Told.Name); u != nil {
			u.obey(q.Told)
		}
	}
	return a
}
