package workers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	// their JSON, as Signature.size counts them.
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

// A chainPlan says where steps are kept that do not travel with a task, and which of
// them come next: a header of ours, for the body is the user's.
type chainPlan struct {
	ID string `json:"id"`
	// Page is the page that comes next, of so many.
	Page  int `json:"page"`
	Pages int `json:"pages"`
	// Until is when the pages expire.
	Until time.Time `json:"until"`
	// Queue is where a program that cannot read plans sends on, see step.
	Queue string `json:"queue,omitempty"`
	// Last is the id of the task that ends the chain, LastTask its name, and ReplyTo where
	// its result goes, if it is one task: who waits for it is told if the plan is lost.
	Last     string `json:"last,omitempty"`
	LastTask string `json:"last_task,omitempty"`
	ReplyTo  string `json:"reply_to,omitempty"`
}

// headerChain has the chainPlan.
const headerChain = ourPrefix + "chain"

// A chainPage is how some steps of a plan are kept.
type chainPage struct {
	ID   string `json:"id"`
	Page int    `json:"page"`
	// Rest are the steps, the next one last.
	Rest []Signature `json:"rest,omitempty"`
	// At is where all of it is kept, if it is large.
	At *celery.Claim `json:"at,omitempty"`
}

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

func (p *chainPlan) check() error {
	switch {
	case p == nil:
		return nil
	case p.Page < 0 || p.Page >= p.Pages || p.Pages > canvas.Widest:
		return celery.Permanent(fmt.Errorf("the next page of a chain is %d of %d", p.Page, p.Pages))
	case p.Last != "" && celery.CheckID(p.Last) != nil:
		return celery.Permanent(fmt.Errorf("the last task of a chain: %w", celery.CheckID(p.Last)))
	case p.LastTask != "" && celery.CheckTask(p.LastTask) != nil:
		return celery.Permanent(fmt.Errorf("the last task of a chain: %w", celery.CheckTask(p.LastTask)))
	}
	return celery.CheckID(p.ID)
}

// parseChainPlan reads a plan from its header.
func parseChainPlan(text string) (*chainPlan, error) {
	p := new(chainPlan)
	if err := json.Unmarshal([]byte(text), p); err != nil {
		return nil, err
	}
	return p, p.check()
}

func (p *chainPlan) header() (string, error) {
	text, err := jsontext.Marshal(p)
	return string(text), err
}

// turned is the plan when the page that comes next has been read; nil at its end.
func (p *chainPlan) turned() *chainPlan {
	if p.Page+1 >= p.Pages {
		return nil
	}
	next := *p
	next.Page++
	return &next
}

// chainTask is what a step is called that stands in a message for those of a plan.
const chainTask = "warren.chain"

// step stands for the steps of a plan, below those that travel: what cannot read plans,
// as Celery's workers and earlier versions, takes it for a task, and sends it with the
// result so far. A worker that gets it goes on with the plan.
func (p *chainPlan) step() (Signature, error) {
	text, err := p.header()
	return Signature{Task: chainTask, Options: CallOptions{
		TaskID: p.ID + "." + strconv.Itoa(p.Page), Queue: p.Queue, Headers: map[string]string{headerChain: text},
	}}, err
}

// withPlan puts the step of a plan below others.
func withPlan(rest []Signature, p *chainPlan) ([]Signature, error) {
	if p == nil {
		return rest, nil
	}
	step, err := p.step()
	return append([]Signature{step}, rest...), err
}

// withoutPlan undoes withPlan, of what is known to have a plan.
func withoutPlan(rest []Signature) []Signature {
	if len(rest) > 0 && rest[0].Task == chainTask {
		return rest[1:]
	}
	return rest
}

// takePlan takes the plan out of a call of chainTask.
func (m *Message) takePlan() {
	if m.Task != chainTask || m.plan != nil {
		return
	}
	p, err := parseChainPlan(m.Headers[headerChain])
	if err != nil {
		return // sent as it is, it is refused
	}
	m.plan = p
	headers := make(map[string]string, len(m.Headers))
	for name, value := range m.Headers {
		if name != headerChain {
			headers[name] = value
		}
	}
	m.Headers = headers
}

// ahead reads as many steps of a plan as it takes to go on. The plan that is left is nil
// at its end.
func (c *client) ahead(ctx context.Context, rest []Signature, p *chainPlan) ([]Signature, *chainPlan, error) {
	going := func(s Signature) bool { return !canvas.Instant(s) }
	for p != nil && !slices.ContainsFunc(rest, going) {
		page, err := c.page(ctx, p)
		if err != nil {
			return rest, p, err
		}
		rest = slices.Concat(page, rest)
		p = p.turned()
	}
	return rest, p, nil
}

// allSteps reads all steps of a plan. With the error of one that is lost in part it
// gives the steps that are kept, and the plan.
func (c *client) allSteps(ctx context.Context, rest []Signature, p *chainPlan) ([]Signature, *chainPlan, error) {
	if p == nil {
		return rest, nil, nil
	}
	var pages [][]Signature
	var lost error
	for at := p; at != nil; at = at.turned() {
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
func (c *client) page(ctx context.Context, p *chainPlan) ([]Signature, error) {
	e, err := c.store.Get(ctx, pageKey(p.ID, p.Page))
	if errors.Is(err, streams.ErrNoEntry) {
		return nil, c.noPage(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	page, err := parsePage(p.ID, p.Page, e.Value)
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
	page, err = parsePage(p.ID, p.Page, text)
	return page.Rest, err
}

// noPage says why a page is not there.
func (c *client) noPage(ctx context.Context, p *chainPlan) error {
	_, err := c.store.Get(ctx, overKey(p.ID))
	switch {
	case err == nil:
		return errPlanOver
	case errors.Is(err, streams.ErrNoEntry):
		return fmt.Errorf("page %d of %d of %s: %w", p.Page+1, p.Pages, p.ID, errLostPlan)
	}
	return err
}

// parsePage reads a page as it is kept.
func parsePage(id string, number int, text []byte) (chainPage, error) {
	var p chainPage
	err := json.Unmarshal(text, &p)
	switch {
	case err != nil:
	case p.ID != id || p.Page != number:
		err = fmt.Errorf("it is page %d of %q", p.Page, jsontext.Clip([]byte(p.ID)))
	case p.At != nil:
		p.Rest, err = nil, p.At.Check()
	case len(p.Rest) == 0:
		err = errors.New("it has no steps")
	default:
		err = canvas.MeasureAll(p.Rest)
	}
	if err != nil {
		return chainPage{}, celery.Permanent(fmt.Errorf("read page %d of the chain %s: %w", number+1, id, err))
	}
	return p, nil
}

// fold keeps steps that are too large to travel, and gives those that travel, and where
// the others are kept. Whoever owns them is one attempt of a task, or a group: what is
// sent again has the same plan. Due is when the owner is; a plan that is not kept for as
// long as a task may take from then on is written anew.
func (c *client) fold(ctx context.Context, owner string, rest []Signature, p *chainPlan, due time.Time) ([]Signature, *chainPlan, error) {
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
func (c *client) foldJoins(ctx context.Context, joins []join) error {
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
func (c *client) keepSteps(ctx context.Context, owner string, rest []Signature, from time.Time) ([]Signature, *chainPlan, error) {
	most := c.cfg.travels / pagesOfRest
	pages := pagesOf(rest, most)
	var front []Signature
	if canvas.SizeOf(pages[0]) <= most {
		front, pages = pages[0], pages[1:]
	}
	p := &chainPlan{Pages: len(pages), Queue: c.route(chainTask, "")}
	if end := rest[0]; end.Kind == KindTask && celery.CheckID(end.Options.TaskID) == nil {
		p.Last, p.LastTask, p.ReplyTo = end.Options.TaskID, end.Task, end.Options.ReplyTo
	}
	for i := range rest {
		from = canvas.Due(&rest[len(rest)-1-i], from)
	}
	p.Until = from.Add(c.cfg.keeps + c.cfg.keeps/sparePart + time.Second).UTC().Truncate(time.Second)
	texts, err := p.write(owner, pages)
	if err != nil {
		return rest, nil, celery.Permanent(err)
	}
	if err := c.putPages(ctx, p, texts); err != nil {
		return rest, nil, err
	}
	return front, p, nil
}

// pagesOf divides steps into pages of a size at most, or of one step, in the order in
// which they run.
func pagesOf(rest []Signature, most int) [][]Signature {
	var pages [][]Signature
	for end := len(rest); end > 0; {
		start, size := end-1, canvas.Size(&rest[end-1])
		for start > 0 && size+canvas.Size(&rest[start-1]) <= most {
			start--
			size += canvas.Size(&rest[start])
		}
		pages = append(pages, rest[start:end:end])
		end = start
	}
	return pages
}

// write names a plan by what is in it and whose it is, and writes its pages.
func (p *chainPlan) write(owner string, pages [][]Signature) ([][]byte, error) {
	lists := make([]json.RawMessage, len(pages))
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s", len(owner), owner)
	for i, page := range pages {
		var err error
		if lists[i], err = jsontext.Marshal(page); err != nil {
			return nil, err
		}
		_, _ = h.Write(lists[i]) // it never fails
	}
	p.ID = hex.EncodeToString(h.Sum(nil)[:16])
	texts := make([][]byte, len(pages))
	for i, list := range lists {
		text, err := jsontext.Marshal(struct {
			ID   string          `json:"id"`
			Page int             `json:"page"`
			Rest json.RawMessage `json:"rest"`
		}{p.ID, i, list})
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}

// putPages keeps the pages of a plan, before any message says where.
func (c *client) putPages(ctx context.Context, p *chainPlan, texts [][]byte) error {
	ttl := wholeSeconds(c.untilDue(p.Until))
	for i, text := range texts {
		if len(text) <= 4*c.largest() {
			continue
		}
		at, err := c.keepApart(ctx, text, ttl)
		if err == nil {
			texts[i], err = jsontext.Marshal(chainPage{ID: p.ID, Page: i, At: &at})
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
