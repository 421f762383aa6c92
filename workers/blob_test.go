package workers_test

import (
	"context"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/workers"
)

// Values larger than the server takes in one message travel like all others: as
// an argument, a result, from step to step, and in lists.
func TestLargeValuesTravelUnnoticed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	twice := workers.Func1(s.App, "twice", func(_ context.Context, text string) (string, error) { return text + text, nil })
	count := workers.Func1(s.App, "count", func(_ context.Context, texts []string) (int, error) { return len(strings.Join(texts, "")), nil })
	s.connect(smallServer(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	large := strings.Repeat("x", 100_000)
	if got := run(s, workers.Chain2(twice.S(large), twice.P())); len(got) != 4*len(large) {
		t.Errorf("got %d bytes, want %d", len(got), 4*len(large))
	}
	four := workers.Group(twice.S(large), twice.S("y"), twice.S(large), twice.S(large))
	if got, want := run(s, workers.Chord(four, count.P())), 6*len(large)+2; got != want {
		t.Errorf("the chord got %d bytes, want %d", got, want)
	}
	if got := run(s, four); len(got) != 4 || len(got[2]) != 2*len(large) || got[1] != "yy" {
		t.Error("the group gave something else")
	}
}

// smallServer takes no more than 64 kB in one message.
func smallServer(t *testing.T) *nats.Conn {
	t.Helper()
	return embeddedtest.Start(t, embedded.Config{MaxPayload: 64 << 10}).Connect(t)
}
