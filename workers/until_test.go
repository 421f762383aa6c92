package workers

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// aYear is longer than anything is kept of a task that nobody makes wait.
const aYear = 365 * 24 * time.Hour

// TestAGroupIsKeptUntilItsLastMemberIsDue: what is kept of a chord, the results of
// its first members among it, outlives a member that is due in a year.
func TestAGroupIsKeptUntilItsLastMemberIsDue(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	app := New("celery")
	add := Func2(app, "add", func(_ context.Context, x, y int) (int, error) { return x + y, nil })
	sum := Func1(app, "sum", func(_ context.Context, list []int) (int, error) { return len(list), nil })
	w := newWorkshop(t, nc, app)
	worker := app.Worker(WorkerConfig{})
	w.background("worker", worker.Run)
	news := w.hearOf("join.>")
	early := add.S(1, 1)
	inner := Chord(Group(add.S(2, 2), add.S(3, 3).With(Countdown(aYear))), sum.P())
	if _, err := Chord(Group(early, inner), sum.P()).Apply(w.ctx); err != nil {
		t.Fatal(err)
	}
	for len(w.kept(nc, "join.>")) < 4 { // two plans, and what two members have come to
		select {
		case <-news:
		case <-w.ctx.Done():
			t.Fatalf("kept are %v", w.kept(nc, "join.>"))
		}
	}
	w.wantKept(nc, "join.>", aYear+joinExpires)
}

// hearOf tells of every write at some keys. What is written of a group comes after the
// end of the member that it is of.
func (w *workshop) hearOf(keys string) <-chan struct{} {
	w.Helper()
	news := make(chan struct{}, 1)
	stop, err := w.app.client.store.Notify(w.ctx, keys, func(streams.Entry) { poke(news) })
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(stop)
	return news
}

// TestChain_IsKeptUntilItsLastStepIsDue: the steps of a chain that do not travel, of which
// one is due a year after the first has ended.
func TestChain_IsKeptUntilItsLastStepIsDue(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	app := New("celery")
	add := Func2(app, "add", func(_ context.Context, x, y int) (int, error) { return x + y, nil })
	w := newWorkshop(t, nc, app)
	late := add.P(1).With(Countdown(aYear))
	if _, err := Chain3(Repeat(add.S(1, 1), add.P(1), 40), late, Pipe(add.P(1), add.P(1))).Apply(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.wantKept(nc, "chain.>", aYear+joinExpires)
}

func TestArgumentsAreKeptUntilTheirTaskIsDue(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Start(t, embedded.Config{MaxPayload: 64 << 10}).Connect(t)
	app := New("celery")
	length := Func1(app, "length", func(_ context.Context, s string) (int, error) { return len(s), nil })
	w := newWorkshop(t, nc, app)
	if _, err := length.Delay(w.ctx, strings.Repeat("x", 100_000), Countdown(aYear)); err != nil {
		t.Fatal(err)
	}
	w.wantKept(nc, "blob.>", aYear+joinExpires)
}

// TestALargeResultIsKeptForPartOfASecond: the store counts in whole ones.
func TestALargeResultIsKeptForPartOfASecond(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Start(t, embedded.Config{MaxPayload: 64 << 10}).Connect(t)
	app := New("celery")
	long := Func1(app, "long", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
	w := newWorkshop(t, nc, app)
	worker := app.Worker(WorkerConfig{})
	w.background("worker", worker.Run)
	result, err := long.Delay(w.ctx, 100_000, ResultExpires(time.Hour+time.Second/2))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := result.Get(w.ctx); err != nil || len(text) != 100_000 {
		t.Errorf("got %d bytes, %v", len(text), err)
	}
	w.wantKept(nc, "blob.>", time.Hour)
}

// kept is how long what is stored at keys is kept.
func (w *workshop) kept(nc *nats.Conn, keys string) map[string]time.Duration {
	w.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		w.Fatal(err)
	}
	stream, err := js.Stream(w.ctx, "warren~v~tasks")
	if err != nil {
		w.Fatal(err)
	}
	info, err := stream.Info(w.ctx, jetstream.WithSubjectFilter("warren.v.tasks."+keys))
	if err != nil {
		w.Fatal(err)
	}
	all := make(map[string]time.Duration)
	for subject := range info.State.Subjects {
		msg, err := stream.GetLastMsgForSubject(w.ctx, subject)
		if err != nil {
			w.Fatal(err)
		}
		if all[subject], err = time.ParseDuration(msg.Header.Get(jetstream.MsgTTLHeader)); err != nil {
			w.Fatal(err)
		}
	}
	return all
}

// wantKept wants something at keys, kept for a time but for what the test took.
func (w *workshop) wantKept(nc *nats.Conn, keys string, want time.Duration) {
	w.Helper()
	all := w.kept(nc, keys)
	if len(all) == 0 {
		w.Errorf("nothing is kept at %s", keys)
	}
	for subject, ttl := range all {
		if ttl < want-time.Minute {
			w.Errorf("%s is kept for %v, want %v", subject, ttl, want)
		}
	}
}
