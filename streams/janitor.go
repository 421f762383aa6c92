package streams

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
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

// A janitor clears away what nobody uses any more.
type janitor struct{ n *node }

// round takes its turn at clearing away what sessions that died have left:
// exclusive queues, auto-delete queues without consumers, registrations. The
// sessions of a virtual host share one turn, a key that expires.
func (j *janitor) round() {
	ctx, cancel := context.WithTimeout(j.n.ctx, j.n.cfg.Timeout)
	defer cancel()
	j.n.clock.renew(ctx) // before anything goes because of its time
	if j.takeTurn(ctx) {
		if err := j.sweepSessions(ctx); err != nil && j.n.ctx.Err() == nil {
			j.n.cfg.Logger.Warn("could not clear away what dead sessions left", "error", err)
		}
		if err := j.sweepSomeQueues(ctx); err != nil && j.n.ctx.Err() == nil {
			j.n.cfg.Logger.Debug("could not drop all messages that have ended", "error", err)
		}
	}
	j.n.uses.enrollUntold(ctx)
	j.settleUsed(ctx)
}

// sweptQueues is how many queues of those that may have messages with an expiration of
// their own are looked at in a round.
const sweptQueues = 20

// sweepSomeQueues drops messages that have ended and that nobody asks for, so that they do
// not take room: in all queues with a TTL, and in some of the others.
func (j *janitor) sweepSomeQueues(ctx context.Context) error {
	queues, err := readable(j.n.topology.queues(ctx))
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
		held := rec.Busy != "" && rec.Busy != rec.Owner // an exclusive queue is its owner's all the time
		if !j.n.epoch.standsQueue(rec) || held || rec.MessageTTL == nil && others > sweptQueues {
			continue
		}
		errs = errors.Join(errs, j.n.contents.sweepQueue(ctx, rec, isTask))
	}
	return errs
}

func (v vhost) turnSubject() string { return v.liveSubject() + ".janitor" }

// takeTurn reports whether this node is the one to do this round.
func (j *janitor) takeTurn(ctx context.Context) bool {
	if !j.n.nc.IsConnected() {
		return false
	}
	msg := &nats.Msg{Subject: j.n.vhost.turnSubject(), Header: nats.Header{}, Data: []byte(j.n.id)}
	msg.Header.Set(jetstream.MsgTTLHeader, (rounds - time.Second).String())
	_, err := jsapi.CompareAndSet(ctx, j.n.js, j.n.live, msg, 0)
	return err == nil
}

// sweepSessions clears away what sessions that are gone have left.
func (j *janitor) sweepSessions(ctx context.Context) error {
	queues, err := readable(j.n.topology.queues(ctx))
	if err != nil {
		return err
	}
	_, err = j.sweepSessionsOf(ctx, queues)
	return err
}

// sweepSessionsOf is sweepSessions of who has read all queues, and reports whether a queue
// may have gone by it.
func (j *janitor) sweepSessionsOf(ctx context.Context, queues []queueRecord) (cleared bool, err error) {
	subjects, err := j.n.registry.registered(ctx, ">")
	if err != nil {
		return false, err
	}
	nodes := make(map[string][]uint64) // their sessions that own queues
	for _, subject := range subjects {
		if _, node, left := parseRegistration(subject); !left {
			nodes[node] = nil
		}
	}
	for i := range queues {
		rec := &queues[i]
		if rec.Owner == "" {
			continue
		}
		sessions := nodes[rec.Owner]
		if rec.OwnerSession != 0 { // an earlier release has none
			sessions = append(sessions, rec.OwnerSession)
		}
		nodes[rec.Owner] = sessions
	}
	dead, err := j.n.peers.deadAmong(ctx, nodes)
	if err != nil || len(dead) == 0 {
		return false, err
	}
	left, err := j.leftBy(ctx, dead)
	if err != nil {
		return false, err
	}
	owned, ofOwned := j.sweepOwned(ctx, queues, dead)
	used, ofLeft := j.sweepLeft(ctx, left)
	return owned || used, errors.Join(ofOwned, ofLeft)
}

// leftBy reads what dead nodes have registered.
func (j *janitor) leftBy(ctx context.Context, dead map[member]bool) (left []registration, err error) {
	for gone := range dead {
		if gone.session != 0 {
			continue
		}
		some, err := j.n.registry.registrations(ctx, "*."+gone.node)
		if err != nil {
			return nil, err
		}
		left = append(left, some...)
	}
	return left, nil
}

// sweepUsers clears away what dead users of one queue have left, before it is
// declared: if it goes with its last consumer it went with them, and the new one
// has nothing to do with them.
func (j *janitor) sweepUsers(ctx context.Context, queue string) error {
	left, err := j.n.registry.registrations(ctx, routing.NameToken(queue)+".*")
	if err != nil {
		return err
	}
	_, err = j.sweepLeft(ctx, left)
	return err
}

// sweepLeft clears away those of some registrations whose nodes are dead, and reports whether
// there were any. The nodes are asked when the registrations have been read: one that was cut
// off before may be back, and have registered again, and that is not what it has left.
func (j *janitor) sweepLeft(ctx context.Context, left []registration) (cleared bool, err error) {
	dead, err := j.n.peers.deadAmong(ctx, nodesOf(left))
	if err != nil {
		return false, err
	}
	return len(dead) > 0, j.sweepRegistrations(ctx, left, dead)
}

// nodesOf are the nodes that have registered, with no sessions of theirs.
func nodesOf(left []registration) map[string][]uint64 {
	nodes := make(map[string][]uint64)
	for _, r := range left {
		nodes[r.Session] = nil
	}
	return nodes
}

// sweepOwned deletes the exclusive queues of dead sessions, and reports whether there were any.
func (j *janitor) sweepOwned(ctx context.Context, queues []queueRecord, dead map[member]bool) (cleared bool, errs error) {
	for i := range queues {
		if dead[member{queues[i].Owner, queues[i].OwnerSession}] {
			cleared = true
			errs = errors.Join(errs, j.n.queues.remove(ctx, queues[i].Name, queues[i].Life))
		}
	}
	return cleared, errs
}

func (j *janitor) sweepRegistrations(ctx context.Context, left []registration, dead map[member]bool) error {
	var errs error
	for _, r := range left {
		if !dead[member{r.Session, 0}] {
			continue
		}
		if r.Consuming {
			theirs := func(there *claim) bool { return there.Session == r.Session }
			errs = errors.Join(errs, j.n.queues.endUse(ctx, r.Queue), j.n.registry.endClaim(ctx, r.Queue, theirs))
		}
		// This registration and no later one: a node that was cut off when it was
		// looked for may be back, and registered again.
		errs = errors.Join(errs, j.n.live.drop(ctx, r.sequence))
		if r.Consuming {
			errs = errors.Join(errs, j.dropUnused(ctx, r.Queue))
		}
	}
	return errs
}

// endUse tells of a queue that expires that it was used until now: by a consumer whose end
// nobody has told.
func (qs *queues) endUse(ctx context.Context, queue string) error {
	rec := new(queueRecord)
	revision, err := qs.topology.get(ctx, queueKey(queue), rec)
	if err != nil || revision == 0 {
		return err
	}
	return qs.tellUse(ctx, rec)
}

// dropUnused deletes an auto-delete queue whose last consumer has gone.
func (j *janitor) dropUnused(ctx context.Context, queue string) error {
	rec := new(queueRecord)
	revision, err := j.n.topology.get(ctx, queueKey(queue), rec)
	if err != nil || revision == 0 || !rec.AutoDelete {
		return err
	}
	in, err := j.n.contents.usage(ctx, queue)
	if err != nil || in.consumers > 0 {
		return err
	}
	if err := j.n.queues.remove(ctx, queue, rec.Life); err != nil || len(in.left) == 0 {
		return err
	}
	return j.n.registry.forgetLeftovers(ctx, queue)
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

// settleUsed forgets, for the queues this node uses, ended bindings whose messages are
// settled.
func (j *janitor) settleUsed(ctx context.Context) {
	for _, queue := range j.n.uses.queues() {
		if !slices.ContainsFunc(j.n.uses.of(queue), (*user).hasEndedBindings) {
			continue
		}
		if err := j.n.queues.settleEnded(ctx, queue); err != nil && j.n.ctx.Err() == nil {
			j.n.cfg.Logger.Warn("could not narrow the views of a queue", "queue", queue, "error", err)
		}
	}
}
