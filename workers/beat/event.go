package beat

import (
	"time"

	"warren/workers/internal/guard"
)

// An Event is what a [Scheduler] tells of itself; see [Config].
type Event struct {
	Kind EventKind
	// Leader is the name of the scheduler that leads, of a Leads and a Waits.
	Leader string
	// Entry is the entry whose run was sent, ID the run's task, or what begins its
	// canvas, and Due when it was due; of a Sent.
	Entry, ID string
	Due       time.Time
}

// EventKind is what an [Event] tells of.
type EventKind string

// What a scheduler tells.
const (
	// Leads: it leads from here on, until it tells otherwise.
	Leads EventKind = "leads"
	// Waits: another one leads, and this one waits to follow it. It is told
	// again when yet another one leads.
	Waits EventKind = "waits"
	// Sent: it has sent a run. One that is sent again, because its leader was
	// killed before it could tell so, is told by both.
	Sent EventKind = "sent"
)

func (s *Scheduler) tell(e Event) {
	if s.cfg.OnEvent == nil {
		return
	}
	err := guard.Run("Config.OnEvent", func() error {
		s.cfg.OnEvent(e)
		return nil
	})
	if err != nil {
		s.log.Error("could not tell what the scheduler does", "error", err)
	}
}
