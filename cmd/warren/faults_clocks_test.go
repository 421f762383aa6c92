//go:build linux

package main

import (
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
	b.awaitLines(t, "clock was set", n)
}
