//go:build linux

package main

import (
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
)

// TestFaults_WrongClocks: clocks of clients and of the broker are wrong by an hour, and
// the broker's is set while it runs.
func TestFaults_WrongClocks(t *testing.T) {
	t.Parallel()
	total, times := sizes()
	for name, test := range map[string]struct {
		kind                        string
		broker, publisher, consumer time.Duration
		fault                       func(s *scene, b *brokerProcess)
	}{
		"clients": {"durable lasting", 0, time.Hour, -time.Hour, func(s *scene, b *brokerProcess) {
			for i := range times {
				s.progress(3*i+1, 3*times+1)
				s.publisher.kill(s.t)
				s.publish()
				s.progress(3*i+2, 3*times+1)
				s.consumer.kill(s.t)
				s.consume()
				s.progress(3*i+3, 3*times+1)
				b.kill(s.t)
				b.restart(s.t)
			}
		}},
		"broker restarted": {"durable lasting", time.Hour, 0, 0, func(s *scene, b *brokerProcess) {
			for i := range times {
				s.progress(2*i+1, 2*times+1)
				s.consumer.kill(s.t)
				s.progress(2*i+2, 2*times+1) // what the consumer held is stored as such
				b.kill(s.t)
				b.clock.Set(s.t, []time.Duration{-time.Hour, time.Hour}[i%2])
				b.restart(s.t)
				s.consume()
			}
		}},
		"broker jumps": {"durable lasting", 0, 0, 0, func(s *scene, b *brokerProcess) {
			for i := range times {
				s.progress(2*i+1, 2*times+1)
				b.jump(s.t, 2*i+1, []time.Duration{time.Hour, -time.Hour}[i%2])
				s.progress(2*i+2, 2*times+1)
				s.consumer.kill(s.t)
				b.jump(s.t, 2*i+2, 0)
				s.consume()
			}
		}},
		"broker jumps, not persistent": {"durable fleeting", 0, 0, 0, func(s *scene, b *brokerProcess) {
			for i := range times {
				s.progress(2*i+1, 2*times+1)
				b.clock.Set(s.t, []time.Duration{-time.Hour, time.Hour}[i%2])
				s.progress(2*i+2, 2*times+1)
				b.clock.Set(s.t, 0)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serveClocked(t, embeddedtest.NewClock(t, test.broker))
			s := newScene(t, b.url, total)
			s.kind = test.kind
			s.clocks = map[string]*embeddedtest.Clock{
				"produce": embeddedtest.NewClock(t, test.publisher), "consume": embeddedtest.NewClock(t, test.consumer),
			}
			s.during("clocks: "+name, func() { test.fault(s, b) })
		})
	}
}

// jump sets the clock of a broker while it runs, for the nth time, and waits until the
// broker's own session says so.
func (b *brokerProcess) jump(t *testing.T, n int, ahead time.Duration) {
	t.Helper()
	b.clock.Set(t, ahead)
	b.awaitLines(t, "clock has jumped", n)
}

// TestFaults_WrongClocksOfTasks: a worker, two schedulers and who calls have clocks that
// are an hour wrong, and the broker's is an hour ahead after a kill, and right after the
// next; at length, it is set while the broker runs, too. Countdowns take as long as they
// say, nothing expires early, and beat goes on.
func TestFaults_WrongClocksOfTasks(t *testing.T) {
	t.Parallel()
	b := serveClocked(t, embeddedtest.NewClock(t, 0))
	ahead, behind := embeddedtest.NewClock(t, time.Hour), embeddedtest.NewClock(t, -time.Hour)
	task := func(clock *embeddedtest.Clock, args ...string) *command {
		return launchClocked(t, clock, nil, "warren", append(args, "--server", b.url, "--lease", "2s")...)
	}
	beat := func(clock *embeddedtest.Clock) *command {
		return task(clock, "beat", "--every", "1s", "--task", "add", "--args", "[1, 2]")
	}
	first := task(ahead, "worker")
	leads := beat(ahead)
	leads.awaitLines(t, "Sent 'add'", 2)
	waits := beat(behind)
	waits.awaitLines(t, "waits to follow it", 1)
	leads.kill(t) // an hour ahead
	waits.awaitLines(t, "Sent 'add'", 2)
	first.awaitLines(t, "add(1, 2)", 4)

	const countdown = 2 * time.Second
	for _, clock := range []*embeddedtest.Clock{ahead, behind} {
		began := time.Now()
		call := task(clock, "call", "add", "2", "3", "--countdown", countdown.String(), "--expires", "30m", "--wait")
		call.wantEnd(t, exitOK)
		took := time.Since(began)
		t.Logf("a countdown of %v took %v", countdown, took.Round(time.Millisecond))
		if took < countdown || !strings.Contains(call.said(), "5") {
			t.Errorf("a countdown of %v took %v; the call says\n%s", countdown, took, call.said())
		}
		wantToldOnce(t, call)
	}

	_, times := sizes()
	second := first
	for i := range times {
		second.kill(t)
		clock := []time.Duration{time.Hour, 0}[i%2]
		if i < 2 {
			b.kill(t)
			b.clock.Set(t, clock)
			b.restart(t)
		} else {
			b.jump(t, i-1, clock)
		}
		had := strings.Count(waits.said(), "Sent 'add'")
		second = task(behind, "worker")
		waits.awaitLines(t, "Sent 'add'", had+2)
		second.awaitLines(t, "add(1, 2)", 2)
	}
	for _, c := range []*command{first, leads, waits} {
		wantToldOnce(t, c)
	}
}

// wantToldOnce checks that a command says once that its clock is wrong.
func wantToldOnce(t *testing.T, c *command) {
	t.Helper()
	if n := strings.Count(c.said(), "the clock of this machine differs"); n != 1 {
		t.Errorf("%s says %d times that its clock is wrong, want once:\n%s", c.cmd, n, c.said())
	}
}
