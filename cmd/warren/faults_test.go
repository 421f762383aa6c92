//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
)

// A scene is a queue with a publisher, a consumer and a broker, or a cluster of
// them, to which something is done.
type scene struct {
	t      *testing.T
	url    string
	within []string // what a client is started with, such as a namespace
	total  int
	kind   string                         // of the queue and its messages; see produce
	copies int                            // replicas
	clocks map[string]*embeddedtest.Clock // of clients, by their commands; others have none

	publisher, consumer *command

	mu        sync.Mutex
	changed   chan struct{}
	confirmed map[int]bool
	repeated  map[int]bool
	delivered map[int]int
	acked     map[int]bool
	came      []coming
}

// A coming is one delivery of a message.
type coming struct {
	number int
	marked bool // as redelivered
}

func newScene(t *testing.T, url string, total int) *scene {
	t.Helper()
	return &scene{
		t: t, url: url, total: total, kind: "durable", copies: 1, changed: make(chan struct{}),
		confirmed: make(map[int]bool), repeated: make(map[int]bool), delivered: make(map[int]int), acked: make(map[int]bool),
	}
}

// client starts a client as a process of its own.
func (s *scene) client(args ...string) *command {
	s.t.Helper()
	if clock := s.clocks[args[0]]; clock != nil {
		return launchClocked(s.t, clock, s.heard, args[0], args[1:]...)
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		s.t.Fatal(err)
	}
	all := append(append([]string{}, s.within...), path)
	all = append(all, args[1:]...)
	return launch(s.t, s.heard, all[0], all[1:]...)
}

// publish starts the publisher with what is not confirmed yet.
func (s *scene) publish() {
	s.t.Helper()
	s.mu.Lock()
	first := len(s.confirmed) + 1
	if first > 1 {
		s.repeated[first] = true // it may have been under way
	}
	s.mu.Unlock()
	s.publisher = s.client("produce", s.url, "tasks", strconv.Itoa(first), strconv.Itoa(s.total), strconv.Itoa(s.copies), s.kind)
}

func (s *scene) consume() {
	s.t.Helper()
	s.consumer = s.client("consume", s.url, "tasks")
}

func (s *scene) heard(line string) {
	what, number, _ := strings.Cut(line, " ")
	i, err := strconv.Atoi(number)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch what {
	case "confirmed":
		s.confirmed[i] = true
	case "repeated":
		s.repeated[i] = true
	case "acked":
		s.acked[i] = true
	case "delivered", "redelivered":
		s.delivered[i]++
		s.came = append(s.came, coming{i, what == "redelivered"})
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// order counts the deliveries after the first of a message that are not marked as
// redelivered, and the first ones behind one that was published later. What was published
// twice may come twice, and late.
func (s *scene) order() (unmarked, late int) {
	before, latest := make(map[int]bool), 0
	for _, c := range s.came {
		switch {
		case s.repeated[c.number] || c.marked:
		case before[c.number]:
			unmarked++
		case c.number < latest:
			late++
		}
		before[c.number] = true
		if !c.marked {
			latest = max(latest, c.number)
		}
	}
	return unmarked, late
}

// await waits until something was counted so often.
func (s *scene) await(what string, count func() int, want int) {
	s.t.Helper()
	for deadline := time.After(faultPatience); ; {
		s.mu.Lock()
		got, more := count(), s.changed
		s.mu.Unlock()
		if got >= want {
			return
		}
		select {
		case <-more:
		case <-deadline:
			s.t.Errorf("%d of %d messages were %s; the publisher says:\n%s\nthe consumer says:\n%s",
				got, want, what, lastLines(s.publisher), lastLines(s.consumer))
			return
		}
	}
}

// faultPatience is how long a scene may take to go on after a fault.
const faultPatience = time.Minute

func lastLines(c *command) string {
	said := strings.Split(strings.TrimSpace(c.said()), "\n")
	return strings.Join(said[max(0, len(said)-5):], "\n")
}

func (s *scene) confirmations() int { return len(s.confirmed) }
func (s *scene) deliveries() int    { return len(s.delivered) }

// progress waits until a part of the messages is confirmed.
func (s *scene) progress(part, of int) { s.await("confirmed", s.confirmations, s.total*part/of) }

// during does something to the scene while messages are published and consumed, and
// holds what comes of it against the promises.
func (s *scene) during(name string, fault func()) {
	s.t.Helper()
	began := time.Now()
	s.publish()
	s.consume()
	fault()
	s.await("confirmed", s.confirmations, s.total)
	s.await("delivered", s.deliveries, s.total)
	s.wantPromises(name, time.Since(began))
}

func (s *scene) wantPromises(name string, took time.Duration) {
	s.t.Helper()
	ready, unacked := s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	missing, doubled := 0, 0
	for i := range s.confirmed {
		if s.delivered[i] == 0 {
			missing++
		}
	}
	for _, n := range s.delivered {
		doubled += n - 1
	}
	stuck := min(missing, ready+unacked)
	unmarked, late := s.order()
	s.t.Logf("%-36s | confirmed %6d | delivered %6d | acked %6d | lost %3d | doubled %4d | unmarked %3d | stuck %3d | out of order %3d | left %d+%d | %v",
		name, len(s.confirmed), len(s.delivered), len(s.acked), missing-stuck, doubled, unmarked, stuck, late, ready, unacked, took.Round(100*time.Millisecond))
	if missing > 0 {
		s.t.Errorf("%d confirmed messages did not come, and the queue has %d", missing, ready+unacked)
	}
	if ready+unacked > 0 {
		s.t.Errorf("%d messages are left in the queue, and %d unacknowledged", ready, unacked)
	}
	if unmarked+late > 0 {
		s.t.Errorf("%d messages came again and were not marked, and %d for the first time behind later ones", unmarked, late)
	}
}

// settled is what the queue has when what comes again has come, too, and whoever answers
// knows it: a server of a cluster that was cut off has to catch up.
func (s *scene) settled() (ready, unacked int) {
	s.t.Helper()
	for until := time.Now().Add(faultPatience); ; {
		ready, unacked = s.remaining()
		if ready+unacked == 0 || time.Now().After(until) {
			return ready, unacked
		}
	}
}

// remaining is what the queue is said to have now.
func (s *scene) remaining() (ready, unacked int) {
	s.t.Helper()
	c := s.client("remain", s.url, "tasks")
	c.wait(s.t)
	var consumers int
	lines, _ := c.out.with("remain ")
	if len(lines) == 0 {
		s.t.Errorf("the queue cannot be inspected: %s", c.said())
		return 0, 0
	}
	if _, err := fmt.Sscanf(lines[0], "%d %d %d", &ready, &unacked, &consumers); err != nil {
		s.t.Error(err)
	}
	return ready, unacked
}

// hold lets a fault last.
func (s *scene) hold(d time.Duration) {
	ctx, cancel := context.WithTimeout(s.t.Context(), d)
	defer cancel()
	<-ctx.Done()
}

// needRoot is for what only root may do: networks, and disks of a test's own.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may make a disk or a network for the test: run it as root")
	}
}

// sizes are how many messages a scene has, and how often something happens to it.
func sizes() (total, times int) {
	if *faults == "full" {
		return 20000, 10
	}
	return 1000, 2
}
