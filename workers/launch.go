package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// A launch is the sending of a canvas that begins with more than one task: of all
// of them or none. Those of one queue are one transaction, unless they are too
// many for one. What takes more than that is planned first, and when its client
// dies before the end, a worker sends the rest.
type launch struct {
	c      *client
	id     string
	pieces []*piece

	plan     launchPlan
	planned  bool
	revision uint64 // of the plan
}

// A launchPlan is how a launch is stored.
type launchPlan struct {
	// Canvas is frozen; a large one is kept apart.
	Canvas json.RawMessage `json:"canvas,omitempty"`
	SentAt time.Time       `json:"sent_at"`
	// Sent is how many of the pieces are.
	Sent int `json:"sent"`
	// Worker is who has taken it over.
	Worker string `json:"worker,omitempty"`
}

// planJSON is how a plan is kept: with where its canvas is, if it is kept apart.
type planJSON struct {
	plainPlan
	CanvasAt *celery.Claim `json:"canvas_at,omitempty"`
}

type plainPlan launchPlan

// MarshalJSON writes the plan.
func (p launchPlan) MarshalJSON() ([]byte, error) {
	out := planJSON{plainPlan: plainPlan(p)}
	out.Canvas, out.CanvasAt = celery.Apart(p.Canvas)
	return jsontext.Marshal(out)
}

// UnmarshalJSON reads a plan.
func (p *launchPlan) UnmarshalJSON(text []byte) error {
	var in planJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*p = launchPlan(in.plainPlan)
	var err error
	p.Canvas, err = celery.Together(in.Canvas, in.CanvasAt)
	return err
}

// A piece is tasks that are sent together: to a queue, or to wait for their time.
type piece struct {
	place
	tasks []*Message
	list  []*sending // once they are written
}

// A place is where tasks wait: a level of a queue.
type place struct {
	queue string // "" for those that wait for their time
	level Level
}

// largestPiece is how many messages a transaction has at most.
const largestPiece = 1000

func launchKey(id string) string { return launchPrefix + id }

const launchPrefix = "launch."

// newLaunch makes the launch of a frozen canvas, whose effects these are.
func (c *client) newLaunch(sig Signature, eff *effects) (*launch, error) {
	l := &launch{c: c, id: c.ids.next(), plan: launchPlan{SentAt: eff.SentAt}, pieces: c.pieces(eff)}
	var err error
	l.plan.Canvas, err = jsontext.Marshal(sig)
	return l, err
}

// pieces are in the order of the canvas: those of a plan are the same each time.
func (c *client) pieces(eff *effects) []*piece {
	tasks := make(map[place][]*Message)
	var places []place
	for _, m := range eff.messages() {
		m.Queue = c.route(m.Task, m.Queue)
		at := place{m.Queue, m.Level()}
		if m.ETA.After(eff.SentAt) {
			at = place{}
		}
		if tasks[at] == nil {
			places = append(places, at)
		}
		tasks[at] = append(tasks[at], m)
	}
	var list []*piece
	for _, at := range places {
		for some := range slices.Chunk(tasks[at], largestPiece) {
			list = append(list, &piece{place: at, tasks: some})
		}
	}
	return list
}

// send sends the pieces that are not sent yet. If another one has taken over, it
// sends the rest.
func (l *launch) send(ctx context.Context, eff *effects) error {
	if len(l.pieces) > 1 || l.pieces[0].queue == "" {
		if err := insist(ctx, l.write); err != nil {
			return err
		}
	}
	for l.plan.Sent < len(l.pieces) {
		p := l.pieces[l.plan.Sent]
		if l.plan.Sent > 0 {
			eff.goOn()
		}
		if err := insist(ctx, func(ctx context.Context) error { return l.sendPiece(ctx, p, eff) }); err != nil {
			return l.refused(ctx, err)
		}
		l.plan.Sent++
		reached(pointPiece)
		if !l.planned || l.plan.Sent == len(l.pieces) {
			continue
		}
		switch err := insist(ctx, l.write); {
		case errors.Is(err, streams.ErrConflict):
			return nil
		case err != nil:
			return err
		}
	}
	l.end(ctx)
	return nil
}

// refused forgets the plan of what was refused as a whole: no worker is to try again.
func (l *launch) refused(ctx context.Context, err error) error {
	if l.plan.Sent == 0 && lastingOf(err) == permanent {
		l.end(ctx)
	}
	return err
}

// write stores the plan, with how far it came.
func (l *launch) write(ctx context.Context) error {
	expect := streams.Any // the id is its own
	if l.planned {
		expect = streams.Revision(l.revision)
	}
	var err error
	if l.plan.Canvas, err = l.c.spill(ctx, l.plan.Canvas, joinExpires); err != nil {
		return err
	}
	text, err := jsontext.Marshal(l.plan)
	if err != nil {
		return err
	}
	revision, err := l.c.store.Put(ctx, streams.Put{Key: launchKey(l.id), Value: text, Expect: expect})
	if err != nil {
		return fmt.Errorf("plan the sending: %w", err)
	}
	l.revision, l.planned = revision, true
	return nil
}

// sendPiece sends a piece, and records that its tasks were sent.
func (l *launch) sendPiece(ctx context.Context, p *piece, eff *effects) error {
	if p.queue == "" {
		return l.sendLater(ctx, p, eff)
	}
	if p.list == nil {
		if err := l.prepare(ctx, p, eff); err != nil {
			return err
		}
	}
	err := l.c.publishAll(ctx, p.place, p.list)
	if errors.Is(err, streams.ErrDuplicate) || errors.Is(err, streams.ErrNotImplemented) || eff.refuses(err) {
		err = l.publishEach(ctx, p, eff)
	}
	if err != nil {
		return err
	}
	return l.c.announceAll(ctx, p.list)
}

// sendLater sends a piece to where it waits for its time.
func (l *launch) sendLater(ctx context.Context, p *piece, eff *effects) error {
	some := &effects{Effects: canvas.Effects{SentAt: eff.SentAt}, written: p.tasks, again: eff.again, final: eff.final, refused: eff.refused}
	err := l.c.send(ctx, some)
	eff.final, eff.refused = some.final, some.refused
	return err
}

// prepare writes the tasks of a piece, of which some may have begun when it is
// sent again.
func (l *launch) prepare(ctx context.Context, p *piece, eff *effects) (err error) {
	tasks := p.tasks
	if eff.again {
		if tasks, err = l.c.notBegun(ctx, tasks); err != nil {
			return err
		}
	}
	list := make([]*sending, 0, len(tasks))
	for _, m := range tasks {
		if eff.isRefused(m) {
			continue
		}
		s := &sending{c: l.c, m: m}
		write := l.c.cfg.aroundSend(func(ctx context.Context, _ *Message) error { return s.write(ctx) })
		if err := write(ctx, m); err == nil {
			list = append(list, s)
		} else if err := eff.refuse(m, err); err != nil {
			return err
		}
	}
	p.list = list
	return nil
}

// publishEach publishes tasks one by one: because some of them were before, the server
// knows no transactions, or one of them is refused.
func (l *launch) publishEach(ctx context.Context, p *piece, eff *effects) error {
	if !l.planned {
		if err := l.write(ctx); err != nil {
			return err
		}
	}
	var errs error
	var sent []*sending
	for _, s := range p.list {
		err := s.publish(ctx)
		if err == nil {
			sent = append(sent, s)
		} else if err := eff.refuse(s.m, err); err != nil {
			return err
		}
	}
	p.list = nil
	for _, s := range sent {
		err := s.wait(ctx)
		if err == nil || !eff.refuses(err) {
			p.list = append(p.list, s)
		}
		errs = errors.Join(errs, eff.refuse(s.m, err))
	}
	return errs
}

// end forgets the plan.
func (l *launch) end(ctx context.Context) {
	if !l.planned {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearing)
	defer cancel()
	if err := l.c.store.Delete(ctx, launchKey(l.id)); err != nil {
		l.c.cfg.Logger.Info("could not clear a plan away; a worker does", "plan", l.id, "error", err)
	}
}

// publishAll publishes tasks to their queue in one transaction. A queue that was
// deleted meanwhile is declared again.
func (c *client) publishAll(ctx context.Context, to place, list []*sending) error {
	bodies := make([]streams.Message, len(list))
	for i, s := range list {
		bodies[i] = s.body
	}
	for again := false; ; again = true {
		if err := c.declare(ctx, to.queue, to.level); err != nil {
			return err
		}
		err := c.session.PublishAll(ctx, "", to.level.queue(to.queue), bodies, streams.Mandatory|streams.Deduplicate)
		var returned *streams.Returned
		if !errors.As(err, &returned) || again {
			return err
		}
		c.forget(to.queue, to.level)
	}
}

// announceAll records that tasks were sent.
func (c *client) announceAll(ctx context.Context, list []*sending) error {
	var puts []*streams.Pending
	for _, s := range list {
		if !s.m.NoResult {
			puts = append(puts, c.announce(ctx, s.m))
		}
	}
	return recorded(ctx, puts)
}
