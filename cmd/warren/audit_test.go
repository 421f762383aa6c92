package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// An inventory is which streams there are, with their consumers.
type inventory map[string][]string

// The parts of an inventory's stream names. The names in these tests are
// letters and digits, so that they stand there as they are.
const (
	queuePart    = "warren~q~"
	exchangePart = "warren~x~"
	memoryPart   = "warren~m~"
)

// audit compares what the sessions list with what the server has, and looks
// into the records for what should not last. It gives what does not agree.
func audit(t *testing.T, c client) (faults []string) {
	t.Helper()
	js, err := jetstream.New(c.nc)
	if err != nil {
		t.Fatal(err)
	}
	want, have := listed(t, c), found(t, js)
	for stream, consumers := range want {
		if got, is := have[stream]; !is || !slices.Equal(got, consumers) {
			faults = append(faults, fmt.Sprintf("stream %s there %t with consumers %v, want %v", stream, is, got, consumers))
		}
	}
	for stream, consumers := range have {
		if _, is := want[stream]; !is {
			faults = append(faults, fmt.Sprintf("stream %s of nobody, with consumers %v", stream, consumers))
		}
	}
	return append(faults, unfinished(t, js)...)
}

// listed is what there should be, after the listings.
func listed(t *testing.T, c client) inventory {
	t.Helper()
	ctx := t.Context()
	want := inventory{}
	queues, err := c.Queues(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		want[queuePart+q.Name] = []string{q.Name}
	}
	exchanges, err := c.Exchanges(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range exchanges {
		if x.Name != "" && !strings.HasPrefix(x.Name, "amq.") {
			want[exchangePart+x.Name] = nil
		}
	}
	bindings, err := c.Bindings(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bindings {
		stream := exchangePart + b.Exchange
		if b.Exchange != "" && !slices.Contains(want[stream], b.Queue) {
			want[stream] = append(want[stream], b.Queue)
			slices.Sort(want[stream])
		}
	}
	return want
}

// found is what the server has of queues and exchanges.
func found(t *testing.T, js jetstream.JetStream) inventory {
	t.Helper()
	have := inventory{}
	streams := js.ListStreams(t.Context())
	for info := range streams.Info() {
		name := info.Config.Name
		if exchange, is := strings.CutPrefix(name, memoryPart); is {
			have[exchangePart+exchange] = append(have[exchangePart+exchange], consumers(t, js, name)...)
			continue
		}
		if !strings.HasPrefix(name, queuePart) && !strings.HasPrefix(name, exchangePart) {
			continue
		}
		have[name] = append(have[name], consumers(t, js, name)...)
	}
	if err := streams.Err(); err != nil {
		t.Fatal(err)
	}
	return have
}

func consumers(t *testing.T, js jetstream.JetStream, stream string) (names []string) {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	list := s.ConsumerNames(t.Context())
	for name := range list.Name() {
		names = append(names, name)
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// unfinished finds records that are marked as being changed or deleted, and
// bindings that have ended and are remembered.
func unfinished(t *testing.T, js jetstream.JetStream) (faults []string) {
	t.Helper()
	for key, value := range records(t, js) {
		var rec struct {
			Busy     string
			Deleting bool
			Moving   bool
			Bindings []struct{ Ended bool }
		}
		if err := json.Unmarshal(value, &rec); err != nil {
			t.Fatalf("record %s: %v", key, err)
		}
		ended := slices.ContainsFunc(rec.Bindings, func(b struct{ Ended bool }) bool { return b.Ended })
		if rec.Busy != "" || rec.Deleting || rec.Moving || ended {
			faults = append(faults, fmt.Sprintf("record %s is not finished: %s", key, value))
		}
	}
	return faults
}

// records are the records of the topology by key.
func records(t *testing.T, js jetstream.JetStream) map[string][]byte {
	t.Helper()
	stream, err := js.Stream(t.Context(), "warren~topology")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter("warren.topology.>"))
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string][]byte)
	for subject := range info.State.Subjects {
		msg, err := stream.GetLastMsgForSubject(t.Context(), subject)
		if err != nil {
			t.Fatal(err)
		}
		values[strings.TrimPrefix(subject, "warren.topology.")] = msg.Data
	}
	return values
}

// registrations are who is registered for a queue.
func registrations(t *testing.T, nc *nats.Conn) []string {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "warren~live")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(context.Background(), jetstream.WithSubjectFilter("warren.live.user.*.*"))
	if err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for subject := range info.State.Subjects {
		subjects = append(subjects, subject)
	}
	return subjects
}
