package streams_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// The broker's clock is an hour ahead, and is set right while it is restarted.
func TestClock_IsTheBrokers(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, time.Hour)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	r := newRig(t, server.Connect(t), streams.Config{Logger: logger})
	wantAhead(t, r, time.Hour)
	store, err := r.DeclareStore(r.ctx, "clock", streams.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := r.Now()
	if _, err := store.Put(r.ctx, streams.Put{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	e, err := store.Get(r.ctx, "k")
	if after := r.Now(); err != nil || e.Time.Before(before.Add(-time.Second)) || e.Time.After(after.Add(time.Second)) {
		t.Errorf("a write was stamped %v (%v), want between %v and %v", e.Time, err, before, after)
	}
	if got := strings.Count(log.String(), "the clock of this machine differs"); got != 1 {
		t.Errorf("the log tells %d times that the clocks differ, want once:\n%s", got, &log)
	}
	server.SetClock(0)
	server.Restart(t)
	for time.Until(r.Now()) > time.Minute && r.ctx.Err() == nil {
		r.queue(streams.Queue{Name: "q"}) // the session comes back
	}
	wantAhead(t, r, 0)
}

func wantAhead(t *testing.T, r rig, want time.Duration) {
	t.Helper()
	if got := time.Until(r.Now()); (got - want).Abs() > 30*time.Second {
		t.Errorf("the session's time is %v ahead, want %v", got, want)
	}
}

func TestClock_ThatIsRightIsNotTalkedOf(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	newRig(t, embeddedtest.Connect(t), streams.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if log.Len() > 0 {
		t.Errorf("the log says\n%s", &log)
	}
}
