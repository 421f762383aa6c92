package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A guard refuses publishers while there is no room for what they publish, so that
// consumers, who make room, still have some. The server itself knows one limit
// for all streams: at that, nobody can even register as a consumer.
type guard struct {
	s    *Server
	nats *server.Server
	stop chan struct{}
	done chan struct{}
	once sync.Once

	// Of the guard's goroutine alone, from when it runs.
	nc     *nats.Conn // nil until publishers are refused for the first time
	why    string     // publishers are refused; empty if they are not
	failed time.Time  // when the store failed; zero if it works

	mu     sync.Mutex
	answer []byte // to a publisher that is refused
}

func newGuard(s *Server) *guard {
	g := &guard{s: s, nats: s.server(), stop: make(chan struct{}), done: make(chan struct{})}
	if s.cfg.tellsSync() {
		g.connect()
	}
	go g.run()
	return g
}

// end returns when the guard has ended, and may be called more than once.
func (g *guard) end() {
	g.once.Do(func() { close(g.stop) })
	<-g.done
}

func (g *guard) run() {
	defer close(g.done)
	defer g.disconnect()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-g.stop:
			return
		case why := <-g.s.log.broken:
			g.broke(why)
		case <-timer.C:
		}
		if g.mend() {
			return
		}
		timer.Reset(g.look())
	}
}

// look measures and decides, and says when to look again.
func (g *guard) look() time.Duration {
	if !g.failed.IsZero() {
		return whileShort
	}
	if len(g.s.cfg.Limited) == 0 {
		return never
	}
	list, err := g.tanks()
	if err != nil {
		return longest
	}
	wait := longest
	for _, t := range list {
		room := t.room()
		if room <= 0 || g.why != "" && room < t.margin() {
			g.refuse(t.String())
			return whileShort
		}
		if room < t.limit/2 {
			g.connect() // to be ready: publishers go on meanwhile
		}
		wait = min(wait, nextLook(room))
	}
	g.admit()
	return wait
}

// refuse has publishers refused from now on, with a reason.
func (g *guard) refuse(why string) {
	if !g.connect() {
		return
	}
	g.setAnswer(why)
	if g.why == "" {
		g.s.cfg.Logger.Warn("publishers are refused", "reason", why)
		for _, subject := range g.s.cfg.Limited {
			if err := g.nats.GlobalAccount().AddMapping(subject, refusal(subject)); err != nil {
				g.s.cfg.Logger.Error("publishers cannot be refused", "subject", subject, "error", err)
			}
		}
	}
	g.why = why
}

func (g *guard) admit() {
	if g.why == "" {
		return
	}
	g.why = ""
	for _, subject := range g.s.cfg.Limited {
		g.nats.GlobalAccount().RemoveMapping(subject)
	}
	g.s.cfg.Logger.Warn("publishers are served again")
}

// refusedSubject is what the subjects begin with where goes what publishers send
// while they are refused.
const refusedSubject = "_EMBEDDED.refused"

// refusal is where what is published to a subject goes. A mapping keeps the
// wildcards of a subject.
func refusal(subject string) string {
	to, stars := refusedSubject, 0
	for token := range strings.SplitSeq(subject, ".") {
		switch token {
		case "*":
			stars++
			to += fmt.Sprintf(".{{wildcard(%d)}}", stars)
		case ">":
			to += ".>"
		}
	}
	return to
}

// connectTime is how long the guard's connection may take.
const connectTime = 10 * time.Second

// connect opens the connection that answers whoever is refused, and whoever asks whether
// the server syncs each message.
func (g *guard) connect() bool {
	if g.nc != nil {
		return true
	}
	nc, err := g.s.Connect(nats.Name("guard of " + g.s.cfg.Name))
	if err == nil {
		_, err = nc.Subscribe(refusedSubject+".>", g.respond)
	}
	if err == nil && g.s.cfg.tellsSync() {
		_, err = nc.Subscribe(SyncSubject, tellSync)
	}
	if err == nil {
		// Not with Flush: its timer comes from a pool that all connections of the process
		// share, and may be taken into a bubble of fake time, which it holds up.
		ctx, cancel := context.WithTimeout(context.Background(), connectTime)
		err = nc.FlushWithContext(ctx)
		cancel()
	}
	if err != nil {
		if nc != nil {
			nc.Close()
		}
		g.s.cfg.Logger.Error("the guard of the server cannot connect: publishers cannot be refused", "error", err)
		return false
	}
	g.nc = nc
	return true
}

func (g *guard) disconnect() {
	if g.nc != nil {
		g.nc.Close()
	}
}

func (g *guard) respond(msg *nats.Msg) {
	if msg.Reply == "" {
		return
	}
	g.mu.Lock()
	answer := g.answer
	g.mu.Unlock()
	_ = msg.Respond(answer) // a publisher without an answer publishes again or gives up
}

// insufficientResources is the server's own code for a limit that is reached.
const insufficientResources = 10023

// setAnswer writes what a publisher gets instead of an acknowledgement, in the form
// of one, so that every client understands it.
func (g *guard) setAnswer(why string) {
	answer, err := json.Marshal(map[string]any{"error": server.ApiError{
		Code: 503, ErrCode: insufficientResources, Description: fmt.Sprint(Refused, ": ", why),
	}})
	if err != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = answer
}
