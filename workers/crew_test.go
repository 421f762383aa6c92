package workers_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"warren/streams"
	"warren/workers"
)

// A crew is an app whose workers are in several processes, some of which die.
// What its tasks do is noted in a stream beside it, once for each time.
type crew struct {
	*workers.App
	nc   *nats.Conn
	js   jetstream.JetStream
	name string // of its worker
	die  func() // called in the middle of a task, by one that is to

	count  workers.Task2[string, int, int]
	sum    workers.Task1[[]int, int]
	tell   workers.Task2[int, string, workers.None]
	flaky  workers.Task2[string, int, int]
	sulky  workers.Task2[string, int, int]
	deadly workers.Task0[int]
	hold   workers.Task1[string, string]
	gather workers.Task1[[]string, []string]
	who    workers.Task1[string, string]
	told   workers.Task2[string, string, string]
}

const effects = "EFFECTS"

var errFlaky = errors.New("not the first time")

func newCrew(nc *nats.Conn, name string) (*crew, error) {
	js, err := jetstream.New(nc)
	c := &crew{App: workers.New("celery"), nc: nc, js: js, name: name, die: func() {}}
	c.count = workers.Func2(c.App, "count", func(ctx context.Context, what string, n int) (int, error) {
		err := c.effect(ctx, what)
		c.die()
		return n, err
	})
	c.sum = workers.Func1(c.App, "sum", func(ctx context.Context, list []int) (int, error) {
		sum := 0
		for _, n := range list {
			sum += n
		}
		return sum, c.effect(ctx, "body")
	})
	c.tell = workers.Func2(c.App, "tell", func(ctx context.Context, _ int, what string) (workers.None, error) {
		return workers.None{}, c.effect(ctx, what)
	})
	c.flaky = workers.Func2(c.App, "flaky", func(ctx context.Context, what string, n int) (int, error) {
		if r, _ := workers.RequestOf(ctx); r.Retries == 0 {
			return 0, errors.Join(errFlaky, c.effect(ctx, what+"-first"))
		}
		return n, c.effect(ctx, what)
	}, workers.Retry(workers.RetryPolicy{Max: 1}))
	c.sulky = workers.Func2(c.App, "sulky", func(ctx context.Context, what string, n int) (int, error) {
		if r, _ := workers.RequestOf(ctx); r.Retries == 0 {
			return 0, errors.Join(errFlaky, c.effect(ctx, what+"-first"))
		}
		return n, c.effect(ctx, what)
	})
	c.deadly = workers.Func0(c.App, "deadly", func(ctx context.Context) (int, error) {
		err := c.effect(ctx, "deadly")
		kill()
		return 0, err
	})
	c.hold = workers.Func1(c.App, "hold", func(ctx context.Context, what string) (string, error) {
		released, err := nc.SubscribeSync("release." + name)
		if err == nil {
			err = c.effect(ctx, what)
		}
		if err == nil {
			_, err = released.NextMsgWithContext(ctx)
		}
		return name, err
	})
	c.gather = workers.Func1(c.App, "gather", func(ctx context.Context, list []string) ([]string, error) {
		return list, c.effect(ctx, "gathered")
	})
	c.who = workers.Func1(c.App, "who", func(ctx context.Context, what string) (string, error) {
		return name, c.effect(ctx, what)
	})
	c.told = workers.Func2(c.App, "told", func(ctx context.Context, who, what string) (string, error) {
		return who, c.effect(ctx, what+"-"+who)
	})
	return c, err
}

// effect notes that a task has done something: once, however often it takes while
// the stream of effects has no leader.
func (c *crew) effect(ctx context.Context, what string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	id := jetstream.WithMsgID(nuid.Next())
	for {
		try, cancel := context.WithTimeout(ctx, time.Second)
		_, err := c.js.Publish(try, "effect."+what+"."+c.name, nil, id)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// kill is kill -9, of this process.
func kill() {
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Kill() == nil {
		select {}
	}
}

// A yard is where a test has its crew: its own app, which sends and may work too,
// and the processes of the others.
type yard struct {
	shop
	*crew
	url string
	cfg workers.Config
}

// newYard makes an app on a broker that listens.
func newYard(t *testing.T, nc *nats.Conn, cfg workers.Config) *yard {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	c, err := newCrew(nc, "home")
	if err != nil {
		t.Fatal(err)
	}
	stream := jetstream.StreamConfig{Name: effects, Subjects: []string{"effect.>"}, Replicas: max(cfg.Replicas, 1)}
	if _, err := c.js.CreateStream(ctx, stream); err != nil {
		t.Fatal(err)
	}
	y := &yard{shop: shop{TB: t, App: c.App, ctx: ctx}, crew: c, url: strings.Join(nc.Servers(), ","), cfg: cfg}
	y.connect(nc, cfg)
	return y
}

// effects counts what tasks have done, by what and without the worker.
func (y *yard) effects() map[string]int {
	y.Helper()
	counts := make(map[string]int)
	for subject, n := range y.effectsOf("effect.>") {
		what, _, _ := strings.Cut(strings.TrimPrefix(subject, "effect."), ".")
		counts[what] += int(n)
	}
	return counts
}

func (y *yard) effectsOf(filter string) map[string]uint64 {
	y.Helper()
	stream, err := y.js.Stream(y.ctx, effects)
	if err != nil {
		y.Fatal(err)
	}
	info, err := stream.Info(y.ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		y.Fatal(err)
	}
	return info.State.Subjects
}

// until waits until a task has done something.
func (y *yard) until(what, worker string) {
	y.Helper()
	sub, err := y.js.OrderedConsumer(y.ctx, effects, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"effect." + what + "." + worker}})
	if err != nil {
		y.Fatal(err)
	}
	if _, err := sub.Next(jetstream.FetchContext(y.ctx)); err != nil {
		y.Fatalf("%s has not done %s: %v", worker, what, err)
	}
}

// release ends a task that a worker holds.
func (y *yard) release(worker string) {
	y.Helper()
	if err := y.nc.Publish("release."+worker, nil); err != nil {
		y.Fatal(err)
	}
}

// wantEffects checks what was done how often; what is not named was not done.
func (y *yard) wantEffects(want map[string]int) {
	y.Helper()
	y.wantEffectsAgain(want, 0)
}

// wantEffectsAgain is wantEffects where so many may have been done once more: by
// tasks that ran when their worker was killed beside the one it was killed for.
func (y *yard) wantEffectsAgain(want map[string]int, again int) {
	y.Helper()
	got := y.effects()
	left := maps.Clone(got)
	for what, times := range want {
		if left[what] == times+1 && again > 0 {
			again--
			left[what]--
		}
	}
	if !maps.Equal(left, want) {
		y.Errorf("tasks have done %v, want %v", got, want)
	}
}

// untilEmpty waits until a queue has nothing left, and nobody holds anything of it.
func (y *yard) untilEmpty(queue string) {
	y.Helper()
	y.untilQueue(queue, "empty", func(q streams.QueueInfo) bool { return q.Ready+q.Unacked+q.Scheduled == 0 })
}

// untilUnheld waits until the leases of what was held of a queue are over.
func (y *yard) untilUnheld(queue string) {
	y.Helper()
	y.untilQueue(queue, "unheld", func(q streams.QueueInfo) bool { return q.Ready > 0 && q.Unacked == 0 })
}

// untilHeld waits until all of a queue is held.
func (y *yard) untilHeld(queue string) {
	y.Helper()
	y.untilQueue(queue, "held", func(q streams.QueueInfo) bool { return q.Ready == 0 && q.Unacked > 0 })
}

func (y *yard) untilQueue(queue, what string, is func(streams.QueueInfo) bool) {
	y.Helper()
	s, err := streams.Open(y.ctx, y.nc, streams.Config{VHost: y.cfg.VHost})
	if err != nil {
		y.Fatal(err)
	}
	defer func() { _ = s.Close(y.ctx) }()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		info, err := s.InspectQueue(y.ctx, queue)
		if err != nil {
			y.Fatal(err)
		}
		if is(info) {
			return
		}
		select {
		case <-look.C:
		case <-y.ctx.Done():
			y.Fatalf("queue %q has %d ready, %d unacked, %d scheduled; want it %s", queue, info.Ready, info.Unacked, info.Scheduled, what)
		}
	}
}
