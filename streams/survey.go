package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/routing"

	"warren/streams/internal/jsapi"
)

// A survey is what the broker says of all queues at once, so that listing them does not
// take several requests for each.
type survey struct {
	streams map[string]*jetstream.StreamInfo
	uses    map[string]use // by token of the queue
}

func (s *Session) listQueues(ctx context.Context) ([]QueueInfo, error) {
	if s.isClosed() {
		return nil, ErrClosed
	}
	records, damaged, err := s.janitor.standing(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.contents.survey(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]*QueueInfo, len(records))
	err = sideBySide(len(records), func(i int) error {
		info, err := s.contents.countUsed(ctx, &records[i], all.uses[routing.NameToken(records[i].Name)], briefly, all.look)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil // deleted since it was listed
		case err != nil:
			return err
		}
		list[i] = &info
		return nil
	})
	if err != nil {
		return nil, err
	}
	infos := make([]QueueInfo, 0, len(list))
	for _, info := range list {
		if info != nil {
			infos = append(infos, *info)
		}
	}
	return infos, damaged
}

// standing reads the records of all queues that stand, by name, when what dead sessions
// have left is cleared away. Damaged ones are named beside.
func (j *janitor) standing(ctx context.Context) (records []queueRecord, damaged, err error) {
	for cleared := true; cleared; {
		records, damaged = j.n.topology.queues(ctx)
		if damaged != nil && !isDamage(damaged) {
			return nil, nil, damaged
		}
		if cleared, err = j.sweepSessionsOf(ctx, records); err != nil {
			return nil, nil, err
		}
	}
	records = slices.DeleteFunc(records, func(rec queueRecord) bool { return !j.n.epoch.standsQueue(&rec) })
	slices.SortFunc(records, func(a, b queueRecord) int { return strings.Compare(a.Name, b.Name) })
	return records, damaged, nil
}

// survey asks how all queues are used, and then what their streams hold.
func (cs *contents) survey(ctx context.Context) (all survey, err error) {
	if all.uses, err = cs.usages(ctx); err != nil {
		return all, err
	}
	all.streams, err = cs.reader.listStreams(ctx, string(cs.vhost)+".>")
	return all, err
}

// look is a lookup of what was surveyed.
func (all survey) look(_ context.Context, stream string) (*jetstream.StreamInfo, error) {
	if info := all.streams[stream]; info != nil {
		return info, nil
	}
	return nil, jetstream.ErrStreamNotFound
}

// streamPage is what the server says of some streams.
type streamPage struct {
	Total   int                     `json:"total"`
	Limit   int                     `json:"limit"`
	Streams []*jetstream.StreamInfo `json:"streams"`
	Error   *jetstream.APIError     `json:"error"`
}

// listStreams finds the streams with subjects of a pattern, page by page, several at a
// time.
func (rd *reader) listStreams(ctx context.Context, subject string) (map[string]*jetstream.StreamInfo, error) {
	first, err := rd.streamPage(ctx, subject, 0)
	if err != nil || first.Limit <= 0 {
		return nil, err
	}
	pages := make([]*streamPage, max((first.Total+first.Limit-1)/first.Limit, 1))
	pages[0] = first
	err = sideBySide(len(pages)-1, func(i int) (err error) {
		pages[i+1], err = rd.streamPage(ctx, subject, (i+1)*first.Limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	all := make(map[string]*jetstream.StreamInfo, first.Total)
	for _, page := range pages {
		for _, info := range page.Streams {
			all[info.Config.Name] = info
		}
	}
	return all, nil
}

func (rd *reader) streamPage(ctx context.Context, subject string, offset int) (*streamPage, error) {
	request, err := json.Marshal(map[string]any{"subject": subject, "offset": offset})
	if err != nil {
		return nil, err
	}
	return jsapi.Ask(ctx, func(ctx context.Context) (*streamPage, error) {
		answer, err := rd.link.nc.RequestWithContext(ctx, "$JS.API.STREAM.LIST", request)
		if err != nil {
			return nil, err
		}
		page := new(streamPage)
		if err := json.Unmarshal(answer.Data, page); err != nil {
			return nil, err
		}
		if page.Error != nil {
			return nil, fmt.Errorf("list streams: %w", page.Error)
		}
		return page, nil
	})
}

// usages is usage of all queues that somebody uses, by token.
func (cs *contents) usages(ctx context.Context) (map[string]use, error) {
	subjects, err := cs.registry.registered(ctx, ">")
	if err != nil {
		return nil, err
	}
	all := make(map[string]use)
	queues := make(map[string][]string) // by session
	for _, subject := range subjects {
		queue, session, left := parseRegistration(subject)
		u := all[queue]
		if left {
			u.left = append(u.left, subject)
		} else {
			queues[session] = append(queues[session], queue)
		}
		all[queue] = u
	}
	var mu sync.Mutex
	unknown := make(map[string]bool)
	parts := partsOf(queues)
	err = sideBySide(len(parts), func(i int) error {
		answers, err := cs.peers.askUses(ctx, parts[i])
		mu.Lock()
		defer mu.Unlock()
		for j, queue := range parts[i].queues {
			if answers == nil {
				unknown[queue] = true
				continue
			}
			all[queue] = all[queue].with(answers[j])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, cs.askUnknown(ctx, all, slices.Collect(maps.Keys(unknown)))
}

// with adds what one session says of its use.
func (u use) with(a *answer) use {
	u.consumers += a.Consumers
	u.held += a.Held
	if u.heldAt == nil {
		u.heldAt = make(map[string]int, len(a.HeldAt))
	}
	for stream, n := range a.HeldAt {
		u.heldAt[stream] += n
	}
	return u
}

// A surveyPart is some queues, by token, that a session is asked about at once.
type surveyPart struct {
	session string
	queues  []string
}

// surveyed is about how many queues one session is asked at once: the answer must not be
// too large.
const surveyed = 500

func partsOf(queues map[string][]string) (parts []surveyPart) {
	for session, all := range queues {
		for some := range slices.Chunk(all, surveyed) {
			parts = append(parts, surveyPart{session, some})
		}
	}
	return parts
}

// askUses asks a session how it uses some queues; nil says that it has gone, is silent, or
// is of a release that does not know the question.
func (p *peers) askUses(ctx context.Context, part surveyPart) ([]*answer, error) {
	a, err := p.ask(ctx, part.session, question{Uses: part.queues})
	if err != nil || a == nil || len(a.Uses) != len(part.queues) {
		return nil, err
	}
	return a.Uses, nil
}

// askUnknown asks for the use of queues of which a session has not told it.
func (cs *contents) askUnknown(ctx context.Context, all map[string]use, queues []string) error {
	var mu sync.Mutex
	return sideBySide(len(queues), func(i int) error {
		name, err := routing.TokenName(queues[i])
		if err != nil {
			return err
		}
		in, err := cs.usage(ctx, name)
		mu.Lock()
		defer mu.Unlock()
		all[queues[i]] = in
		return err
	})
}

// answerUse says how the sessions of the node use a queue.
func (n *node) answerUse(ctx context.Context, queue string, a *answer) {
	a.HeldAt = make(map[string]int)
	for _, u := range n.uses.of(queue) {
		_ = u.settled(ctx)
		a.Consumers += u.countAt(a.HeldAt)
	}
	for _, held := range a.HeldAt {
		a.Held += held
	}
	if d := n.uses.dispatcher(queue); d != nil { // what is ready in it, the broker has sent
		d.countAt(a.HeldAt)
	}
}

// answerUses says how the sessions of the node use some queues.
func (n *node) answerUses(ctx context.Context, tokens []string) []*answer {
	answers := make([]*answer, len(tokens))
	for i, token := range tokens {
		answers[i] = new(answer)
		if name, err := routing.TokenName(token); err == nil {
			n.answerUse(ctx, name, answers[i])
		}
	}
	return answers
}

// width is how many requests are under way at once.
const width = 16

// sideBySide does something so many times, several at once, and gives the first error, at
// which it stops.
func sideBySide(n int, do func(i int) error) error {
	if n == 1 {
		return do(0)
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= n && first == nil
	}
	for range min(width, n) {
		group.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if err := do(i); err != nil {
					mu.Lock()
					first = cmp.Or(first, err)
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return first
}
