package main

import (
	"strconv"
	"strings"
	"testing"
)

// A receiver is 'warren receive' in a process of its own.
type receiver struct {
	*command
	began []string // what it has begun with, in order; read it after the end
}

// receive starts a receiver with acknowledgements of the queue "tasks". Its
// tally is told of a message when it is done with.
func receive(t *testing.T, url string, done *tally, args ...string) *receiver {
	t.Helper()
	r := new(receiver)
	args = append([]string{"receive", "--server", url, "--queue", "tasks", "--ack", "--durable"}, args...)
	r.command = launch(t, func(line string) { r.heard(line, done) }, "warren", args...)
	return r
}

func (r *receiver) heard(line string, done *tally) {
	if body, ok := strings.CutPrefix(line, "Start processing "); ok {
		r.began = append(r.began, body)
	}
	if strings.HasPrefix(line, "Processed for ") {
		done.note(r.began[len(r.began)-1])
	}
	if body, ok := strings.CutPrefix(line, "Received '"); ok {
		r.began = append(r.began, strings.TrimSuffix(body, "'"))
		done.note(r.began[len(r.began)-1])
	}
}

// ready waits until it waits for messages.
func (r *receiver) ready(t *testing.T) *receiver {
	t.Helper()
	r.awaitLine(t, "Waiting for messages.")
	return r
}

// receiveRest receives what is left in the queue "tasks", with nobody else
// there, and says how much it was. What others held comes when its lease ends.
func receiveRest(t *testing.T, c client, url string, done *tally) int {
	t.Helper()
	info := c.inspect("tasks")
	left := info.Ready + info.Unacked
	if left > 0 {
		receive(t, url, done, "--count", strconv.Itoa(left)).wantEnd(t, exitOK)
	}
	return left
}
