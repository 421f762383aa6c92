package streams

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/jsapi"
)

// A glance is one look at a source: its first message, if one is ready, and the state of
// its stream, which was asked for at the same time.
type glance struct {
	msg   *nats.Msg
	state *streamState // nil: there was no answer in time
	gone  bool         // the source is not there
}

// streamState is what the server says of a stream, as far as a glance needs it.
type streamState struct {
	Messages uint64    `json:"messages"` // 1 for some
	Last     uint64    `json:"last_seq"`
	Stored   time.Time `json:"last_ts"`
	now      time.Time // by the server's clock
}

// isEmpty reports whether nothing was in the stream.
func (g *glance) isEmpty() bool { return g.state != nil && g.state.Messages == 0 }

// glance takes a message that is ready and asks for the state of the stream, both at once:
// what was stored before is in that.
func (p *puller) glance(ctx context.Context) (*glance, error) {
	last := p.src.plain && !p.large && p.r.cfg.Replicas == 1
	if err := p.askState(last); err != nil {
		return nil, err
	}
	if err := p.request(1, 0); err != nil {
		return nil, err
	}
	g := new(glance)
	for range 2 {
		msg, err := p.NextInTime(ctx)
		if err != nil && g.msg != nil {
			p.broken = true // the answer may come yet
			return g, nil
		}
		if err != nil {
			return nil, err
		}
		p.large = len(msg.Data) > largeMessage
		g.note(msg)
	}
	if last && g.state == nil && !g.gone { // both, or all but the message, said so
		g.state = new(streamState)
	}
	return g, nil
}

// awaitServer returns nil when a source where nobody answered is there: its server had gone
// for a moment. Its error is errSourceGone if the source is not there.
func (p *puller) awaitServer(ctx context.Context) error {
	_, info, err := p.r.lookAt(ctx, p.src.stream, p.src.queue)
	if err != nil {
		return err
	}
	if info == nil {
		return errSourceGone
	}
	const moment = 20 * time.Millisecond
	return jsapi.Sleep(ctx, moment)
}

// largeMessage is how long a message may be to be read only to learn that it is there.
const largeMessage = 4 << 10

// askState asks for the state of the stream. What a home has may be told by its last message,
// which takes the server a fraction of the time. Of several replicas any would tell it,
// one that is behind among them.
func (p *puller) askState(last bool) error {
	subject := "$JS.API.STREAM.INFO." + p.src.stream
	if last {
		subject = "$JS.API.DIRECT.GET." + p.src.stream + "." + p.src.sieve.filters[0]
	}
	return p.Ask(subject, nil)
}

// note reads one of the two answers.
func (g *glance) note(msg *nats.Msg) {
	if _, ok := parseArrival(msg.Reply); ok {
		g.msg = msg
		return
	}
	if seq := parseNumber(msg.Header.Get("Nats-Sequence")); seq > 0 {
		g.state = &streamState{Messages: 1, Last: seq}
		return
	}
	if status := msg.Header.Get("Status"); status != "" {
		g.gone = g.gone || status == jsapi.NoResponders
		return
	}
	var info struct {
		State *streamState `json:"state"`
		Now   time.Time    `json:"ts"`
	}
	if json.Unmarshal(msg.Data, &info) == nil && info.State != nil {
		g.state = info.State
		g.state.now = info.Now
	}
}

// counted is how many messages were ready at a source behind the one that came with this
// glance; false says that the server did not tell. It tells a consumer of a message a while
// after it has confirmed it, so its count may be too small: whether it is, the stream shows.
func (g *glance) counted(src *source, a arrival) (n int, known bool) {
	if g.state == nil || a.delivered != 1 { // what was handed back may wait, too
		return 0, false
	}
	later := g.state.Last - min(a.seq, g.state.Last)
	settled := !src.plain && g.state.now.Sub(g.state.Stored) > freshness
	return int(a.pending), settled || a.pending >= later
}

// knowable reports whether the server can say what is behind a message: all that its
// filters let through is the queue's.
func (v *sieve) knowable(a arrival) bool {
	return v.exact && a.seq > v.after && v.ttl == nil && !v.crossing() && !v.predates(a)
}

// gets is what a session keeps of a queue for its next Get.
type gets struct {
	mu      sync.Mutex
	rec     *queueRecord // of which the sources were made
	epoch   string
	sources []*source
	idle    []*puller
	over    bool
}

// sourcesFor are the sources of a queue; they stay the same for as long as its record.
func (g *gets) sourcesFor(s *Session, rec *queueRecord) []*source {
	g.mu.Lock()
	defer g.mu.Unlock()
	if epoch := s.epoch.id(); g.rec != rec || g.epoch != epoch {
		g.rec, g.epoch = rec, epoch
		g.sources = s.queues.sourcesOf(rec)
	}
	return g.sources
}

// puller gives a puller of a source: one that another Get is done with, or a new one.
func (g *gets) puller(s *Session, src *source) (*puller, error) {
	g.mu.Lock()
	i := slices.IndexFunc(g.idle, func(p *puller) bool { return p.src.stream == src.stream })
	if i < 0 {
		g.mu.Unlock()
		return s.reader.newPuller(src, 1)
	}
	defer g.mu.Unlock()
	p := g.idle[i]
	g.idle = slices.Delete(g.idle, i, i+1)
	p.src = src
	return p, nil
}

// idlePullers is how many pullers are kept.
const idlePullers = 8

// keep keeps a puller for the next Get, unless an answer to it may still come.
func (g *gets) keep(p *puller) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.broken || g.over || len(g.idle) == idlePullers {
		p.Close()
		return
	}
	g.idle = append(g.idle, p)
}

// end lets go of all pullers.
func (g *gets) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	for _, p := range g.idle {
		p.Close()
	}
	g.idle = nil
}

// errSourceGone says that a source that a queue had is not there any more.
var errSourceGone = errors.New("the stream has gone")
