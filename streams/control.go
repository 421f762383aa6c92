package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/routing"
)

// Sessions speak to each other on one subject each. Where nobody listens NATS says
// so at once; whether the session is gone, its record says.

// Peers are the nodes of the virtual host, and how they reach each other.
type peers struct {
	*site
	errands    *errands
	link       *link
	registry   *registry
	attendance *attendance
	control    listening
	answer     func(question) *answer // what others ask this node
}

// question is what one session asks another.
type question struct {
	// Queue asks how many consumers of it the session has, and how many of its
	// messages they hold.
	Queue string `json:"queue,omitempty"`
	// Changing asks whether the session is still changing that queue, and whether it has
	// left it whole.
	Changing string `json:"changing,omitempty"`
	// Told is the record of a queue that has changed; the answer means that
	// the session's consumers obey it.
	Told *queueRecord `json:"told,omitempty"`
	// Uses asks what Queue does, of several queues, by token.
	Uses []string `json:"uses,omitempty"`
	// Sessions are some of the node, of which it is asked whether they are there.
	Sessions []uint64 `json:"sessions,omitempty"`
	// Claim asks whether a consumer of the session claims its queue still.
	Claim *claim `json:"claim,omitempty"`
}

type answer struct {
	Consumers int            `json:"consumers,omitempty"`
	Held      int            `json:"held,omitempty"`
	HeldAt    map[string]int `json:"held_at,omitempty"` // the same by stream
	Uses      []*answer      `json:"uses,omitempty"`
	Changing  bool           `json:"changing,omitempty"`
	Whole     bool           `json:"whole,omitempty"` // nothing of the queue is half changed
	Claims    bool           `json:"claims,omitempty"`
	Ended     []uint64       `json:"ended,omitempty"`     // of the sessions
	Undecided bool           `json:"undecided,omitempty"` // whether it may
	silent    bool           // there was none
}

// silence is how long a session that lives may take to answer. One that takes
// longer is stopped or cut off.
const silence = 2 * time.Second

// ask puts a question to a session; a nil answer says that the session is gone.
// One that does not answer and is not gone may be anything.
func (p *peers) ask(ctx context.Context, session string, q question) (*answer, error) {
	if session == p.id {
		return p.answer(q), nil
	}
	data, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	msg, err := p.request(ctx, session, data)
	if err != nil && !errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("ask session %s: %w", session, err)
	}
	if msg != nil {
		a := new(answer)
		return a, json.Unmarshal(msg.Data, a)
	}
	gone, err := p.hasGone(ctx, session, err == nil)
	if err != nil || gone {
		return nil, err
	}
	return &answer{Changing: true, silent: true}, nil
}

// request puts a question, and once more if it is not answered: a session that ends
// while it is asked may take the question with it, and then nobody listens. Nothing
// says that the session is silent.
func (p *peers) request(ctx context.Context, session string, question []byte) (*nats.Msg, error) {
	for _, wait := range []time.Duration{silence / 10, silence - silence/10} {
		msg, err := p.put(ctx, session, question, wait)
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return msg, err
		}
	}
	return nil, nil
}

// put puts a question once.
func (p *peers) put(ctx context.Context, session string, question []byte, wait time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return p.link.nc.RequestWithContext(ctx, p.vhost.controlSubject(session), question)
}

// alive reports whether a session of a node is there; those of earlier releases have no
// number.
func (p *peers) alive(ctx context.Context, node string, session uint64) (bool, error) {
	var q question
	if session != 0 {
		q.Sessions = []uint64{session}
	}
	a, err := p.ask(ctx, node, q)
	return a != nil && len(a.Ended) == 0, err
}

// A member is a session of a node, or a node, with the number 0.
type member struct {
	node    string
	session uint64
}

// deadAmong asks nodes for a sign of life, and for some sessions of theirs, and gives
// those that are gone.
func (p *peers) deadAmong(ctx context.Context, nodes map[string][]uint64) (map[member]bool, error) {
	names := slices.Collect(maps.Keys(nodes))
	answers := make([]*answer, len(names))
	errs := make([]error, len(names))
	var group sync.WaitGroup
	for i, node := range names {
		group.Go(func() { answers[i], errs[i] = p.ask(ctx, node, question{Sessions: nodes[node]}) })
	}
	group.Wait()
	dead := make(map[member]bool)
	for i, a := range answers {
		if errs[i] != nil {
			continue
		}
		gone := nodes[names[i]]
		if a == nil {
			dead[member{names[i], 0}] = true
		} else {
			gone = a.Ended
		}
		for _, session := range gone {
			dead[member{names[i], session}] = true
		}
	}
	return dead, errors.Join(errs...)
}

// askAll puts one question to several sessions at once.
func (p *peers) askAll(ctx context.Context, sessions []string, q question) ([]*answer, error) {
	answers := make([]*answer, len(sessions))
	errs := make([]error, len(sessions))
	var group sync.WaitGroup
	for i, session := range sessions {
		group.Go(func() { answers[i], errs[i] = p.ask(ctx, session, q) })
	}
	group.Wait()
	return answers, errors.Join(errs...)
}

// tellUsers tells every session that uses a queue what its record says now,
// and returns when they obey it. One that does not answer reads it later.
func (p *peers) tellUsers(ctx context.Context, rec *queueRecord) error {
	sessions, err := p.registry.queueUsers(ctx, rec.Name)
	if err != nil {
		return err
	}
	// Our own consumers are told as well, and keep what they are told.
	answers, err := p.askAll(ctx, sessions, question{Told: rec.clone()})
	for i, a := range answers {
		if a != nil && a.silent {
			err = errors.Join(err, p.attendance.noteMissed(ctx, sessions[i]))
		}
	}
	return err
}

// listenControl answers other nodes: how queues are used, beside all else, as that may have
// to wait for the broker; and the rest in the order in which it is asked, as what is told of
// a queue must be.
func (p *peers) listenControl() error {
	respond := func(msg *nats.Msg, q question) {
		data, err := json.Marshal(p.answer(q))
		if err == nil {
			err = msg.Respond(data)
		}
		if err != nil {
			p.cfg.Logger.Warn("could not answer another session", "error", err)
		}
	}
	return p.control.begin(func() (*nats.Subscription, error) {
		return p.link.nc.Subscribe(p.vhost.controlSubject(p.id), func(msg *nats.Msg) {
			var q question
			switch {
			case json.Unmarshal(msg.Data, &q) != nil:
			case q.Told == nil && (q.Queue != "" || q.Uses != nil):
				p.errands.run(func() { respond(msg, q) })
			default:
				respond(msg, q)
			}
		})
	})
}

// listenChanges drops from the cache the exchanges that other sessions change.
func (es *exchanges) listenChanges() error {
	prefix := len(es.vhost.changeSubject()) + 1
	return es.changes.begin(func() (*nats.Subscription, error) {
		return es.link.nc.Subscribe(es.vhost.changeSubject()+".>", func(msg *nats.Msg) {
			if name, err := routing.TokenName(msg.Subject[prefix:]); err == nil {
				es.forget(name)
			}
		})
	})
}

func (n *node) answer(q question) *answer {
	a := new(answer)
	if q.Changing != "" {
		a.Changing = n.queues.locks.Users(q.Changing) > 0
		a.Whole = n.queues.owned.whole(q.Changing)
	}
	if q.Queue != "" || q.Uses != nil {
		ctx, cancel := context.WithTimeout(n.ctx, silence/2) // who asks does not wait for longer
		n.answerUse(ctx, q.Queue, a)
		a.Uses = n.answerUses(ctx, q.Uses)
		cancel()
	}
	for _, session := range q.Sessions {
		if n.session(session) == nil {
			a.Ended = append(a.Ended, session)
		}
	}
	if q.Told != nil {
		n.obeyTold(q.Told)
	}
	if q.Claim != nil {
		n.answerClaim(q.Claim, a)
	}
	return a
}

// obeyTold has the consumers of a queue obey a record that another node has told, with
// the bindings in its pages. If these cannot be read, the queue is looked at again beside.
func (n *node) obeyTold(rec *queueRecord) {
	users := n.uses.of(rec.Name)
	if len(users) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(n.ctx, silence/2)
	defer cancel()
	var err error
	if !rec.Deleting {
		err = n.topology.gather(ctx, rec)
	}
	if err != nil {
		n.cfg.Logger.Debug("could not read what another session told of a queue; it is read again", "queue", rec.Name, "error", err)
	}
	for _, u := range users {
		if err != nil {
			u.s.refreshSoon(rec.Name)
			continue
		}
		u.obey(rec)
	}
}
