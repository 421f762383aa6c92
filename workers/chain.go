package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// The steps that follow a task in its chain travel with it. Where they are large, they
// are kept once, in the store, and the message says where: if each step carried all
// that follow it, a chain of twice the steps would take four times as long.

const (
	// longestRest is how large the steps may be that travel with a task: in bytes of
	// their JSON, as canvas.Size counts them.
	longestRest = 4 << 10
	// pagesOfRest is how many pages of a plan are as large as that. A page is read, and
	// travels, at once.
	pagesOfRest = 2
	// sparePart is how much longer than it has to be a plan is kept when it is written, as
	// a part of that: a chain that takes long writes it anew now and then, and not at each
	// step.
	sparePart = 3
	// overKept is how long it is remembered of a plan that it was followed to its end.
	overKept = 24 * time.Hour
)

func pageKey(id string, page int) string {
	return "chain." + celery.IDWord(id) + ".page." + strconv.Itoa(page)
}

// overKey is where it is remembered that a plan was followed to its end.
func overKey(id string) string { return "chain." + celery.IDWord(id) + ".over" }

var (
	// errLostPlan is that the plan of a chain has expired, or was deleted.
	errLostPlan = celery.Permanent(fmt.Errorf(
		"the steps that follow in the chain are not kept any more: each may wait and run for %d days", joinExpires/(24*time.Hour)))
	// errPlanOver is that a plan was followed to its end: what is asked of it is done.
	errPlanOver = errors.New("the chain has gone on to its end")
)

// ahead reads as many steps of a plan as it takes to go on. The plan that is left is nil
// at its end.
func (c *client) ahead(ctx context.Context, rest []Signature, p *canvas.Plan) ([]Signature, *canvas.Plan, error) {
	going := func(s Signature) bool { return !canvas.Instant(s) }
	for p != nil && !slices.ContainsFunc(rest, going) {
		page, err := c.page(ctx, p)
		if err != nil {
			return rest, p, err
		}
		rest = slices.Concat(page, rest)
		p = p.Turned()
	}
	return rest, p, nil
}

// allSteps reads all steps of a plan. With the error of one that is lost in part it
// gives the steps that are kept, and the plan.
func (c *client) allSteps(ctx context.Context, rest []Signature, p *canvas.Plan) ([]Signature, *canvas.Plan, error) {
	if p == nil {
		return rest, nil, nil
	}
	var pages [][]Signature
	var lost error
	for at := p; at != nil; at = at.Turned() {
		page, err := c.page(ctx, at)
		switch {
		case err == nil:
			pages = append(pages, page)
		case lastingOf(err) == permanent:
			lost = first(lost, err)
		default:
			return rest, p, err
		}
	}
	slices.Reverse(pages)
	all := slices.Concat(append(pages, rest)...)
	if lost != nil {
		return all, p, lost
	}
	return all, nil, nil
}

// page reads the page of a plan that comes next.
func (c *client) page(ctx context.Context, p *canvas.Plan) ([]Signature, error) {
	e, err := c.store.Get(ctx, pageKey(p.ID, p.Page))
	if errors.Is(err, streams.ErrNoEntry) {
		return nil, c.noPage(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	page, err := canvas.ReadPage(p.ID, p.Page, e.Value)
	if err != nil || page.At == nil {
		return page.Rest, err
	}
	text, err := c.fetch(ctx, page.At.Reference())
	if errors.Is(err, errBlob) {
		return nil, c.noPage(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	page, err = canvas.ReadPage(p.ID, p.Page, text)
	return page.Rest, err
}

// noPage says why a page is not there.
func (c *client) noPage(ctx context.Context, p *canvas.Plan) error {
	_, err := c.store.Get(ctx, overKey(p.ID))
	switch {
	case err == nil:
		return errPlanOver
	case errors.Is(err, streams.ErrNoEntry):
		return fmt.Errorf("page %d of %d of %s: %w", p.Page+1, p.Pages, p.ID, errLostPlan)
	}
	return err
}

// fold keeps steps that are too large to travel, and gives those that travel, and where
// the others are kept. Whoever owns them is one attempt of a task, or a group: what is
// sent again has the same plan. Due is when the owner is; a plan that is not kept for as
// long as a task may take from then on is written anew.
func (c *client) fold(ctx context.Context, owner string, rest []Signature, p *canvas.Plan, due time.Time) ([]Signature, *canvas.Plan, error) {
	from := canvas.Later(c.now(), due)
	large := canvas.SizeOf(rest) > c.cfg.travels
	if p != nil && (large || p.Until.Before(from.Add(c.cfg.keeps))) {
		all, left, err := c.allSteps(ctx, rest, p)
		if errors.Is(err, errPlanOver) || err != nil && lastingOf(err) == permanent {
			return rest, p, nil // who goes on finds that out
		}
		if err != nil {
			return rest, p, err
		}
		rest, p, large = all, left, canvas.SizeOf(all) > c.cfg.travels
	}
	if !large {
		return rest, p, nil
	}
	return c.keepSteps(ctx, owner, rest, from)
}

// foldChain keeps the steps that follow a task where they are too large to travel.
func (c *client) foldChain(ctx context.Context, m *Message) (err error) {
	m.Embed.Chain, m.plan, err = c.fold(ctx, m.attempt(), m.Embed.Chain, m.plan, m.ETA)
	return err
}

// foldJoins keeps the steps that follow groups where they are large.
func (c *client) foldJoins(ctx context.Context, joins []canvas.Join) error {
	for i := range joins {
		j := &joins[i]
		var err error
		if j.Rest, j.Plan, err = c.fold(ctx, "group "+j.ID, j.Rest, j.Plan, j.Due); err != nil {
			return err
		}
	}
	return nil
}

// keepSteps keeps all steps but the first page, or that too if it is large.
func (c *client) keepSteps(ctx context.Context, owner string, rest []Signature, from time.Time) ([]Signature, *canvas.Plan, error) {
	most := c.cfg.travels / pagesOfRest
	pages := canvas.Pages(rest, most)
	var front []Signature
	if canvas.SizeOf(pages[0]) <= most {
		front, pages = pages[0], pages[1:]
	}
	p := &canvas.Plan{Pages: len(pages), Queue: c.route(canvas.PlanTask, "")}
	if end := rest[0]; end.Kind == KindTask && celery.CheckID(end.Options.TaskID) == nil {
		p.Last, p.LastTask, p.ReplyTo = end.Options.TaskID, end.Task, end.Options.ReplyTo
	}
	for i := range rest {
		from = canvas.Due(&rest[len(rest)-1-i], from)
	}
	p.Until = from.Add(c.cfg.keeps + c.cfg.keeps/sparePart + time.Second).UTC().Truncate(time.Second)
	texts, err := p.Write(owner, pages)
	if err != nil {
		return rest, nil, celery.Permanent(err)
	}
	if err := c.putPages(ctx, p, texts); err != nil {
		return rest, nil, err
	}
	return front, p, nil
}

// putPages keeps the pages of a plan, before any message says where.
func (c *client) putPages(ctx context.Context, p *canvas.Plan, texts [][]byte) error {
	ttl := wholeSeconds(c.untilDue(p.Until))
	for i, text := range texts {
		if len(text) <= 4*c.largest() {
			continue
		}
		at, err := c.keepApart(ctx, text, ttl)
		if err == nil {
			texts[i], err = jsontext.Marshal(canvas.Page{ID: p.ID, Page: i, At: &at})
		}
		if err != nil {
			return err
		}
	}
	number := 0
	for some := range slices.Chunk(texts, largestPiece) {
		first := number
		err := insist(ctx, func(ctx context.Context) error {
			puts := make([]*streams.Pending, len(some))
			for i, text := range some {
				puts[i] = c.store.Begin(ctx, streams.Put{Key: pageKey(p.ID, first+i), Value: text, TTL: ttl})
			}
			return allDone(ctx, puts)
		})
		if err != nil {
			return fmt.Errorf("keep the steps of a chain: %w", err)
		}
		number += len(some)
	}
	return nil
}

// allDone waits until all is written.
func allDone(ctx context.Context, puts []*streams.Pending) error {
	for _, p := range puts {
		if err := waitFor(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// clearPlan forgets a plan that was followed to its end. A step that comes again, as its
// worker was killed before the ack, finds that out. What cannot be cleared away is in
// nobody's way and expires.
func (c *client) clearPlan(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, clearing)
	defer cancel()
	_, err := c.store.Put(ctx, streams.Put{Key: overKey(id), Value: []byte("{}"), TTL: overKept})
	if err == nil {
		_, err = c.store.Purge(ctx, pageKeys(id))
	}
	if err != nil {
		c.cfg.Logger.Info("could not clear the steps of a chain away", "chain", id, "error", err)
	}
	reached(pointCleared)
}

// pageKeys matches the keys of all pages of a plan.
func pageKeys(id string) string { return "chain." + celery.IDWord(id) + ".page.*" }

// given is what a task was given by what comes before it.
func (m *Message) given() json.RawMessage {
	if len(m.Args) == 0 {
		return json.RawMessage("null")
	}
	return m.Args[0]
}
