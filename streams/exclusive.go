package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// An exclusive consumer claims its queue with a record in the live stream, by
// compare-and-set. Whether a claim holds, the session of its consumer says: one that
// has gone keeps nobody out. A consumer is registered before it looks for a claim, and
// one that claims looks for other consumers afterwards, so that of two that begin at
// once one sees the other. Others wait while a claim is undecided: one of them consumes.

// claim is what the broker keeps of an exclusive consumer.
type claim struct {
	Queue    string `json:"queue"`
	Session  string `json:"session"`
	Consumer string `json:"consumer"`
	sequence uint64 // in the live stream
}

func (v vhost) claimSubject(queue string) string {
	return v.liveSubject() + ".exclusive." + routing.NameToken(queue)
}

// claimOf reads who claims a queue; nil says nobody.
func (g *registry) claimOf(ctx context.Context, queue string) (*claim, error) {
	msg, err := jsapi.LastMessage(ctx, g.live, g.vhost.claimSubject(queue))
	if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	there := &claim{sequence: msg.Sequence}
	if json.Unmarshal(msg.Data, there) != nil { // damaged: it is nobody's
		return nil, g.live.drop(ctx, msg.Sequence)
	}
	return there, nil
}

// admit lets a registered consumer consume, or refuses it with 403. The record of its
// queue is for one that begins.
func (s *Session) admit(ctx context.Context, c *Consumer, begins *queueRecord) error {
	if begins != nil && !c.opts.Exclusive && s.uses.consumesWith(c) {
		s.explainConsume(c, begins)
		c.apply(false, 0)
		return nil
	}
	for pause := contended(); ; {
		claim, err := s.admitOnce(ctx, c)
		if err == nil {
			if begins != nil {
				s.explainConsume(c, begins) // before anything comes of it
			}
			c.apply(false, claim)
			return nil
		}
		if !errors.Is(err, errConflict) {
			return err
		}
		if err := pause.Wait(ctx); err != nil {
			return fmt.Errorf("another consumer claims queue %q: %w", c.queue, err)
		}
	}
}

// admitOnce is admit, and gives the consumer's claim. errConflict says that another
// one's is undecided.
func (s *Session) admitOnce(ctx context.Context, c *Consumer) (uint64, error) {
	there, err := s.registry.claimOf(ctx, c.queue)
	if err != nil {
		return 0, err
	}
	if there != nil {
		if _, own := c.application(); there.Consumer == c.id && there.sequence == own {
			return own, nil
		}
		if err := s.passClaim(ctx, c, there); err != nil {
			return 0, err
		}
	}
	if !c.opts.Exclusive {
		return 0, nil
	}
	return s.claim(ctx, c)
}

// passClaim takes a claim away that holds no more, or under which nobody was looked for;
// with one that holds, it is 403.
func (s *Session) passClaim(ctx context.Context, c *Consumer, there *claim) error {
	if there.Consumer == c.id {
		return s.live.drop(ctx, there.sequence)
	}
	a, err := s.peers.ask(ctx, there.Session, question{Claim: there})
	switch {
	case err != nil:
		return err
	case a != nil && a.Undecided:
		return errConflict
	case a != nil && (a.Claims || a.silent):
		return s.inExclusiveUse(there.Queue)
	}
	return s.live.drop(ctx, there.sequence)
}

// claim claims a queue that nobody claims, if it has no consumers.
func (s *Session) claim(ctx context.Context, c *Consumer) (uint64, error) {
	c.apply(true, 0)
	data, err := json.Marshal(claim{Queue: c.queue, Session: s.id, Consumer: c.id})
	if err != nil {
		return 0, err
	}
	msg := &nats.Msg{Subject: s.vhost.claimSubject(c.queue), Data: data}
	sequence, err := jsapi.CompareAndSet(ctx, s.js, s.live, msg, 0)
	if err != nil {
		return 0, err
	}
	in, err := s.contents.usage(ctx, c.queue)
	if err == nil && in.consumers > 0 {
		err = s.inExclusiveUse(c.queue)
	}
	if err != nil {
		return 0, errors.Join(err, s.live.drop(ctx, sequence))
	}
	return sequence, nil
}

func (at *site) inExclusiveUse(queue string) error {
	return errAccessRefused("queue '%s' in vhost '%s' in exclusive use", queue, at.cfg.ShownVHost)
}

// answerClaim says whether a consumer claims its queue still, and whether it is decided
// that it may.
func (n *node) answerClaim(there *claim, a *answer) {
	for _, u := range n.uses.of(there.Queue) {
		for _, c := range u.list() {
			if c.id == there.Consumer && c.counted() {
				a.Undecided, _ = c.application()
				a.Claims = !a.Undecided
			}
		}
	}
}

// readmit lets the consumers of a queue go on that others may have missed: while they
// did, somebody may have claimed it, or begun to consume it.
func (u *user) readmit(ctx context.Context) error {
	for _, c := range u.list() {
		if !c.counted() {
			continue
		}
		err := u.s.admit(ctx, c, nil)
		if errors.Is(err, ErrAccessRefused) {
			c.expel(err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endClaim takes away who claims a queue, if it is whom is meant.
func (g *registry) endClaim(ctx context.Context, queue string, meant func(*claim) bool) error {
	there, err := g.claimOf(ctx, queue)
	if err != nil || there == nil || !meant(there) {
		return err
	}
	return g.live.drop(ctx, there.sequence)
}

// unclaim gives up what an exclusive consumer claims. Where that cannot be told, the
// next one is told that the consumer has ended.
func (c *Consumer) unclaim(ctx context.Context) {
	if !c.opts.Exclusive || c.s.nc.IsClosed() {
		return
	}
	err := c.s.registry.endClaim(ctx, c.queue, func(there *claim) bool { return there.Consumer == c.id })
	if err != nil && c.s.ctx.Err() == nil {
		c.s.cfg.Logger.Debug("could not give up a claim", "queue", c.queue, "error", err)
	}
}

// apply notes whether it is still to be decided that the consumer may consume, and the
// claim under which it may.
func (c *Consumer) apply(applying bool, claim uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applying, c.claiming = applying, claim
}

func (c *Consumer) isApplying() bool {
	applying, _ := c.application()
	return applying
}

// application is what apply has noted.
func (c *Consumer) application() (applying bool, claim uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.applying, c.claiming
}
