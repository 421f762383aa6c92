package workers

import "time"

// A Pulse is what a [Scheduler] tells of itself; see [SchedulerConfig].
type Pulse struct {
	Kind PulseKind
	// Leader is the name of the scheduler that leads, of a PulseLeads and a
	// PulseWaits.
	Leader string
	// Entry is the entry whose run was sent, ID the run's task, or what begins its
	// canvas, and Due when it was due; of a PulseSent.
	Entry, ID string
	Due       time.Time
}

// PulseKind is what a [Pulse] tells of.
type PulseKind string

// What a scheduler tells.
const (
	// PulseLeads: it leads from here on, until it tells otherwise.
	PulseLeads PulseKind = "leads"
	// PulseWaits: another one leads, and this one waits to follow it. It is told
	// again when yet another one leads.
	PulseWaits PulseKind = "waits"
	// PulseSent: it has sent a run. One that is sent again, because its leader was
	// killed before it could tell so, is told by both.
	PulseSent PulseKind = "sent"
)

func (s *Scheduler) tell(p Pulse) {
	if s.cfg.Pulse == nil {
		return
	}
	err := guarded("SchedulerConfig.Pulse", func() error {
		s.cfg.Pulse(p)
		return nil
	})
	if err != nil {
		s.log.Error("could not tell what the scheduler does", "error", err)
	}
}
