package canvas

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// The steps that follow a task in its chain travel with it. Where they are large, they
// are kept once, and the message says where: if each step carried all that follow it, a
// chain of twice the steps would take four times as long.

// A Plan says where steps are kept that do not travel with a task, and which of
// them come next: a header of ours, for the body is the user's.
type Plan struct {
	ID string `json:"id"`
	// Page is the page that comes next, of so many.
	Page  int `json:"page"`
	Pages int `json:"pages"`
	// Until is when the pages expire.
	Until time.Time `json:"until"`
	// Queue is where a program that cannot read plans sends on, see WithPlan.
	Queue string `json:"queue,omitempty"`
	// Last is the id of the task that ends the chain, LastTask its name, and ReplyTo where
	// its result goes, if it is one task: who waits for it is told if the plan is lost.
	Last     string `json:"last,omitempty"`
	LastTask string `json:"last_task,omitempty"`
	ReplyTo  string `json:"reply_to,omitempty"`
}

// HeaderPlan is the header that has the plan.
const HeaderPlan = "warren_chain"

// Check refuses what is no plan.
func (p *Plan) Check() error {
	switch {
	case p == nil:
		return nil
	case p.Page < 0 || p.Page >= p.Pages || p.Pages > Widest:
		return celery.Permanent(fmt.Errorf("the next page of a chain is %d of %d", p.Page, p.Pages))
	case p.Last != "" && celery.CheckID(p.Last) != nil:
		return celery.Permanent(fmt.Errorf("the last task of a chain: %w", celery.CheckID(p.Last)))
	case p.LastTask != "" && celery.CheckTask(p.LastTask) != nil:
		return celery.Permanent(fmt.Errorf("the last task of a chain: %w", celery.CheckTask(p.LastTask)))
	}
	return celery.CheckID(p.ID)
}

// ReadPlan reads a plan from its header.
func ReadPlan(text string) (*Plan, error) {
	p := new(Plan)
	if err := json.Unmarshal([]byte(text), p); err != nil {
		return nil, err
	}
	return p, p.Check()
}

// Header is the plan as a header has it.
func (p *Plan) Header() (string, error) {
	text, err := jsontext.Marshal(p)
	return string(text), err
}

// Turned is the plan when the page that comes next has been read; nil at its end.
func (p *Plan) Turned() *Plan {
	if p.Page+1 >= p.Pages {
		return nil
	}
	next := *p
	next.Page++
	return &next
}

// PlanTask is what a step is called that stands in a message for those of a plan.
const PlanTask = "warren.chain"

// step stands for the steps of a plan, below those that travel: what cannot read plans,
// as Celery's workers and earlier versions, takes it for a task, and sends it with the
// result so far. A worker that gets it goes on with the plan.
func (p *Plan) step() (Signature, error) {
	text, err := p.Header()
	return Signature{Task: PlanTask, Options: Options{
		TaskID: p.ID + "." + strconv.Itoa(p.Page), Queue: p.Queue, Headers: map[string]string{HeaderPlan: text},
	}}, err
}

// WithPlan puts the step that stands for a plan below others.
func WithPlan(rest []Signature, p *Plan) ([]Signature, error) {
	if p == nil {
		return rest, nil
	}
	step, err := p.step()
	return append([]Signature{step}, rest...), err
}

// WithoutPlan undoes WithPlan, of what is known to have a plan.
func WithoutPlan(rest []Signature) []Signature {
	if len(rest) > 0 && rest[0].Task == PlanTask {
		return rest[1:]
	}
	return rest
}

// takePlan takes the plan out of a call of PlanTask.
func (t *Task) takePlan() {
	if t.Call.Task != PlanTask || t.At.Plan != nil {
		return
	}
	o := &t.Call.Options
	p, err := ReadPlan(o.Headers[HeaderPlan])
	if err != nil {
		return // sent as it is, it is refused
	}
	t.At.Plan = p
	headers := make(map[string]string, len(o.Headers))
	for name, value := range o.Headers {
		if name != HeaderPlan {
			headers[name] = value
		}
	}
	o.Headers = headers
}

// A Page is how some steps of a plan are kept.
type Page struct {
	ID   string `json:"id"`
	Page int    `json:"page"`
	// Rest are the steps, the next one last.
	Rest []Signature `json:"rest,omitempty"`
	// At is where all of it is kept, if it is large.
	At *celery.Claim `json:"at,omitempty"`
}

// ReadPage reads a page as it is kept.
func ReadPage(id string, number int, text []byte) (Page, error) {
	var p Page
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
		err = MeasureAll(p.Rest)
	}
	if err != nil {
		return Page{}, celery.Permanent(fmt.Errorf("read page %d of the chain %s: %w", number+1, id, err))
	}
	return p, nil
}

// Pages divides steps into pages of a size at most, or of one step, in the order in
// which they run.
func Pages(rest []Signature, most int) [][]Signature {
	var pages [][]Signature
	for end := len(rest); end > 0; {
		start, size := end-1, Size(&rest[end-1])
		for start > 0 && size+Size(&rest[start-1]) <= most {
			start--
			size += Size(&rest[start])
		}
		pages = append(pages, rest[start:end:end])
		end = start
	}
	return pages
}

// Write names a plan by what is in it and whose it is, and writes its pages.
func (p *Plan) Write(owner string, pages [][]Signature) ([][]byte, error) {
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
