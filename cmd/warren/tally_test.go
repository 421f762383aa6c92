package main

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// A tally counts the messages of a test, as several goroutines and processes
// tell it of them.
type tally struct {
	mu      sync.Mutex
	copies  map[string]int // by body
	changed chan struct{}  // closed at the next message
}

func newTally() *tally {
	return &tally{copies: make(map[string]int), changed: make(chan struct{})}
}

func (y *tally) note(body string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.copies[body]++
	close(y.changed)
	y.changed = make(chan struct{})
}

// distinct counts the messages, each once.
func (y *tally) distinct() (count int, more <-chan struct{}) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.copies), y.changed
}

// await waits for so many different messages.
func (y *tally) await(t *testing.T, want int) {
	t.Helper()
	deadline := time.After(2 * patience)
	for {
		got, more := y.distinct()
		if got >= want {
			return
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%d different messages came, want %d", got, want)
		}
	}
}

// doubled gives the messages that came more than once, and how many copies were
// too many in all.
func (y *tally) doubled() (bodies []string, copies int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for body, n := range y.copies {
		if n > 1 {
			bodies = append(bodies, body)
			copies += n - 1
		}
	}
	return bodies, copies
}

// missing gives the messages of another tally that this one has not.
func (y *tally) missing(of *tally) (bodies []string) {
	of.mu.Lock()
	defer of.mu.Unlock()
	y.mu.Lock()
	defer y.mu.Unlock()
	for body := range of.copies {
		if y.copies[body] == 0 {
			bodies = append(bodies, body)
		}
	}
	return bodies
}

// outcome is what a fault did to the messages of a test.
type outcome struct {
	sent, confirmed, received, duplicates, lost, kills int
}

// log prints it as a line that looks the same in every test.
func (o outcome) log(t *testing.T, more string, args ...any) {
	t.Helper()
	t.Logf("sent %5d | confirmed %5d | received %5d | duplicates %4d | lost %3d | kills %3d | %s",
		o.sent, o.confirmed, o.received, o.duplicates, o.lost, o.kills, fmt.Sprintf(more, args...))
}

// all gives the messages, and how many copies of them there are.
func (y *tally) all() (bodies map[string]bool, copies int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	bodies = make(map[string]bool, len(y.copies))
	for body, n := range y.copies {
		bodies[body] = true
		copies += n
	}
	return bodies, copies
}
