package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A clock tells the time by the broker's clock. It keeps what the broker said once,
// and counts on from there by time that passes here: nobody who sets the clock of this
// machine changes it.
type clock struct {
	mu    sync.Mutex
	at    time.Time     // what the broker's clock showed
	here  time.Time     // when it did; its monotonic reading counts
	wrong time.Duration // how far that may be wrong, either way
	told  time.Time     // the latest that anybody was told
}

// A clockSample is one answer of the broker that says what its clock shows.
type clockSample struct {
	asked, answered time.Time
	shown           time.Time
}

// middle is when the clock was looked at, and how far that may be wrong.
func (m clockSample) middle() (time.Time, time.Duration) {
	half := m.answered.Sub(m.asked) / 2
	return m.asked.Add(half), half
}

// drift is how far two clocks may come apart in a time: half a millisecond each
// second, which is the most by which a machine corrects its clock unnoticed.
func drift(d time.Duration) time.Duration { return d / 2000 }

// now is the time, which does not go back unless the broker's clock was put back.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.shows(time.Now()); at.After(c.told) {
		c.told = at
	}
	return c.told
}

// when is what the broker's clock shows at a moment here.
func (c *clock) when(here time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shows(here)
}

// shows is what the broker's clock shows at a moment here. The lock is held.
func (c *clock) shows(here time.Time) time.Time { return c.at.Add(here.Sub(c.here)) }

// learn learns of an answer. Where both clocks may show the same, they are taken to:
// within one machine they do, however slow the answer was. An answer that took long says
// less than what is known, and is left out, unless it cannot be true that both are right:
// then the broker's clock was set, or another server answers, or this machine slept. It
// gives by how much the broker's clock was put forward, or back if that is negative.
func (c *clock) learn(m clockSample) (by time.Duration) {
	here, wrong := m.middle()
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.wrong + drift(here.Sub(c.here))
	apart := m.shown.Sub(c.shows(here)).Abs()
	set := c.at.IsZero() || apart > wrong+known
	if set {
		c.told = time.Time{}
	}
	if set && !c.at.IsZero() {
		by = m.shown.Sub(c.shows(here))
	}
	if m.shown.Sub(wall(here)).Abs() <= wrong {
		m.shown = wall(here)
	}
	if set || wrong <= known {
		c.at, c.here, c.wrong = m.shown.UTC(), here, wrong
	}
	return by
}

// wall is what the clock of this machine shows at a moment.
func wall(here time.Time) time.Time { return here.Round(0) }

// accuracy is how far the time may be wrong, either way, as it was read last.
func (c *clock) accuracy() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrong
}

// stale reports whether the broker was asked long ago.
func (c *clock) stale() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.here) >= clockRound
}

// setHere reports whether the clock of this machine was set since the broker's was looked
// at: it may be the same one.
func (c *clock) setHere() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return (wall(now).Sub(wall(c.here)) - now.Sub(c.here)).Abs() > mostApart
}

// A brokerClock is a clock that a node keeps right. Its wasSet is told by how much the
// broker's own clock was put forward, or back.
type brokerClock struct {
	clock
	*site
	link   *link
	wasSet func(by time.Duration)
}

// clockRound is how often a session looks at the broker's clock, at most: whenever it
// clears away what others have left.
const clockRound = rounds - time.Second

// Now is the time by the broker's clock, in UTC: the one that stamps messages, and by
// which TTLs end and schedules come. It is as right as half of a round trip to the
// broker, and within a millisecond on one network. It does not go back, whoever sets
// the clock of this machine; when the broker's own clock is set, or another server with
// another clock leads after a failure, it follows within ten seconds. Asking takes no
// round trip. In a cluster the clock is that of the server which leads the virtual
// host: keep the clocks of its servers together.
func (s *Session) Now() time.Time { return s.clock.now() }

// renew looks at the broker's clock now and then. Without an answer, the time goes
// on as it is known.
func (c *brokerClock) renew(ctx context.Context) {
	if !c.stale() || !c.link.nc.IsConnected() {
		return
	}
	if err := c.read(ctx); err != nil && c.link.ctx.Err() == nil {
		c.cfg.Logger.Debug("could not look at the broker's clock", "error", err)
	}
}

// slowAnswer is an answer from which the time is not known well: there may be a
// better one at once.
const slowAnswer = 100 * time.Millisecond

// read looks at the broker's clock: again, if the answer is slow.
func (c *brokerClock) read(ctx context.Context) error {
	for range 3 {
		m, err := jsapi.Ask(ctx, c.ask)
		if err != nil {
			return fmt.Errorf("read the broker's clock: %w", err)
		}
		c.wasSet(c.learn(m))
		if m.answered.Sub(m.asked) < slowAnswer {
			break
		}
	}
	return nil
}

// ask asks for something that the broker tells its time with.
func (c *brokerClock) ask(ctx context.Context) (clockSample, error) {
	m := clockSample{asked: time.Now()}
	answer, err := c.link.nc.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+c.vhost.liveStream(), nil)
	if err != nil {
		return m, err
	}
	m.answered = time.Now()
	m.shown, err = parseShown(answer.Data)
	return m, err
}

// parseShown reads what the broker's clock showed when it answered.
func parseShown(text []byte) (time.Time, error) {
	var info struct {
		Time  time.Time           `json:"ts"`
		Error *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(text, &info); {
	case err != nil:
		return time.Time{}, err
	case info.Error != nil:
		return time.Time{}, info.Error
	case info.Time.IsZero():
		return time.Time{}, fmt.Errorf("the answer has no time")
	}
	return info.Time, nil
}

// mostApart is how far the clock of this machine may be from the broker's without a
// word.
const mostApart = time.Second

// compare says, once for a node, that a clock is wrong.
func (c *brokerClock) compare() {
	ahead := time.Since(c.now())
	if ahead.Abs() > mostApart+c.accuracy() {
		c.cfg.Logger.Warn("the clock of this machine differs from the broker's, whose time counts; set one of them right",
			"ahead", ahead.Round(time.Millisecond))
	}
}
