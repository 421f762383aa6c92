package compare

import (
	"context"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestFigures_TooShort: a run that is over at once, or drains a window, has none.
func TestFigures_TooShort(t *testing.T) {
	t.Parallel()
	long, hundred := time.Minute, consume(100)
	for name, test := range map[string]struct {
		w      Workload
		run    Run
		reason string
	}{
		"over at once":              {publish(1), Run{Published: 1e6, steady: ShortestRun - 1}, "it took 500 ms"},
		"one prefetch":              {hundred, Run{Published: 100, Delivered: 100, steady: long}, "it had 100 messages, and a figure takes 5000"},
		"one window":                {publish(1000), Run{Published: 1000, steady: long}, "it had 1000 messages, and a figure takes 50000"},
		"few for each consumer":     {fanOut(10), Run{Published: 4999, Delivered: 49990, steady: long}, "it had 4999 messages"},
		"long enough":               {publish(100), Run{Published: 5000, steady: ShortestRun}, ""},
		"few for one in a thousand": {paced(small), Run{Published: 999, steady: long}, "it had 999 messages"},
	} {
		test.run.Rate, test.run.PublishRate, test.run.DeliverRate, test.run.DrainRate = 1, 2, 3, 4
		test.run.Confirm, test.run.Deliver = &Latency{}, &Latency{}
		got := test.w.judge(test.run)
		if !strings.Contains(got.Refused, test.reason) || (got.Refused == "") != (test.reason == "") {
			t.Errorf("%s: refused because %q, want %q", name, got.Refused, test.reason)
		}
		none := got.Rate+got.PublishRate+got.DeliverRate+got.DrainRate == 0 && got.Confirm == nil && got.Deliver == nil
		if none != (test.reason != "") {
			t.Errorf("%s: got %+v, want figures unless they are refused", name, got)
		}
	}
}

// TestFigures_Least: what is asked of a run is asked of every publisher and consumer.
func TestFigures_Least(t *testing.T) {
	t.Parallel()
	for _, w := range append(Full(), Workload{Publishers: 3, Window: 10, Consumers: 4, Prefetch: 20}) {
		n := w.least()
		consumers := max(w.Consumers/max(w.Fanout, 1), 1)
		if w.Rate == 0 && (n < 50*w.Window*w.Publishers || n < 50*w.Prefetch*consumers) || n < fewest {
			t.Errorf("%s: %d messages fill a window of %d or a prefetch of %d less than 50 times", w.Name, n, w.Window, w.Prefetch)
		}
	}
}

// TestFigures_LatencyInEveryClass: a first look has it, too.
func TestFigures_LatencyInEveryClass(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]Workload{"quick": Quick(), "full": Full()} {
		var classes []Class
		for _, w := range list {
			if w.Rate > 0 {
				classes = append(classes, w.Classes...)
			}
		}
		if !slices.Equal(classes, []Class{D0, D1, D2}) {
			t.Errorf("%s: latency is measured in %v", name, classes)
		}
	}
}

// played is a run of a workload whose times are known: of publishing, and of
// consuming, by the first and the last message.
func played(w Workload, n int, published, consumed [2]time.Duration) Run {
	p := &play{stage: &stage{w: w, queues: []string{"q"}}, count: n}
	p.senders = []*sender{{first: published[0], last: published[1]}}
	p.senders[0].confirmed.Store(int64(n))
	p.receivers = []*receiver{{first: consumed[0], last: consumed[1]}}
	p.receivers[0].handled.Store(int64(n))
	p.queued = []*arrivals{newArrivals(nil)}
	var run Run
	p.measurePublishing(&run)
	p.measureDelivering(&run)
	return run
}

// TestFigures_EndToEnd: the figure is from the first publish to the last
// acknowledgement, and nobody delivers faster than is published.
func TestFigures_EndToEnd(t *testing.T) {
	t.Parallel()
	const n = 1001
	published := [2]time.Duration{time.Second, 3 * time.Second}
	late := [2]time.Duration{4 * time.Second, 5 * time.Second}
	run := played(oneToOne(small), n, published, late)
	if want := (Run{Rate: n / 4., PublishRate: n / 2., DeliverRate: n / 2.}); run.Rate != want.Rate || run.PublishRate != want.PublishRate || run.DeliverRate != want.DeliverRate || run.DrainRate != 0 {
		t.Errorf("together: got %+v, want %+v", run, want)
	}
	if run.Took != 4*time.Second || run.steady != run.Took {
		t.Errorf("together: it took %v, steady for %v; want 4s", run.Took, run.steady)
	}
	run = played(backlog(), n, published, late)
	if run.Rate != n/4. || run.DrainRate != n-1 || run.DeliverRate != 0 {
		t.Errorf("backlog: got %+v, want a drain of %d a second that is no rate of delivering", run, n-1)
	}
	if run.steady != time.Second {
		t.Errorf("backlog: steady for %v, want the shorter part", run.steady)
	}
}

// TestFigures_RatioIsOfBothEnds: who drains four times as fast and publishes six
// times as slowly is behind.
func TestFigures_RatioIsOfBothEnds(t *testing.T) {
	t.Parallel()
	r := Report{Targets: sampleTargets()}
	for target, parts := range map[string][2]time.Duration{"warren tcp": {6 * time.Second, time.Second}, "rabbitmq classic": {time.Second, 4 * time.Second}} {
		run := played(consume(100), 10_000, [2]time.Duration{0, parts[0]}, [2]time.Duration{parts[0], parts[0] + parts[1]})
		r.Measurements = append(r.Measurements, Measurement{Workload: "consume", Target: target, Class: D2, Runs: []Run{run, run, run}})
	}
	for _, row := range exercises(r)[0].Settings[0].Rows {
		if got := row.VsRabbit.Value; row.Target == "warren tcp" && math.Abs(got-5./7) > 1e-9 {
			t.Errorf("it is %.3f times RabbitMQ, want 5/7", got)
		}
	}
}

// TestFigures_OneClass: what survives less is no measure of what survives more.
func TestFigures_OneClass(t *testing.T) {
	t.Parallel()
	r := Report{Targets: sampleTargets()}
	run := Run{Rate: 1}
	for target, class := range map[string]Class{"warren tcp": D1, "raw tcp": D0, "rabbitmq classic": D2} {
		r.Measurements = append(r.Measurements, Measurement{Workload: "publish", Target: target, Class: class, Runs: []Run{run, run, run}})
	}
	for _, e := range exercises(r) {
		for _, row := range e.Settings[0].Rows {
			if alone := row.VsRaw.Value+row.VsRabbit.Value == 0 || row.VsRaw.itself || row.VsRabbit.itself; len(e.Settings[0].Rows) != 1 || !alone {
				t.Errorf("%s of %s is compared: %v, %v", row.Target, row.Class, row.VsRabbit, row.VsRaw)
			}
		}
	}
}

func TestRatio(t *testing.T) {
	t.Parallel()
	of := func(rates ...float64) *row {
		var m Measurement
		for _, rate := range rates {
			m.Runs = append(m.Runs, Run{Rate: rate})
		}
		return rowOf(m, 0)
	}
	lost := of(100, 100, 100)
	lost.Runs[1].Lost = 1
	refused := of(100, 100, 0)
	refused.Runs[2].Refused = "too short"
	exact := of(100, 100, 100)
	for name, test := range map[string]struct {
		a, b *row
		want string
	}{
		"no spread":      {of(237, 237, 237), exact, "2.37"},
		"one digit less": {of(230, 237, 247), exact, "2.4"},
		"wide":           {of(130, 237, 337), exact, "2"},
		"small":          {of(3.1, 3.12, 3.14), exact, "0.031"},
		"large":          {of(12340, 12340, 12340), exact, "123"},
		"ten":            {of(1240, 1240, 1240), exact, "12.4"},
		"within":         {of(95, 110, 120), exact, "~1.1"},
		"within, wide":   {of(60, 110, 120), of(80, 100, 160), "~1"},
		"touching":       {of(100, 110, 120), exact, "~1.1"},
		"itself":         {exact, exact, "1"},
		"two runs":       {of(200, 200), exact, "–"},
		"lost messages":  {lost, exact, "–"},
		"to a loser":     {exact, lost, "–"},
		"refused":        {refused, exact, "–"},
		"no baseline":    {exact, nil, "–"},
	} {
		if got := ratioOf(test.a, test.b).String(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// TestQuantiles: one message in a thousand is told of where there are a thousand.
func TestQuantiles(t *testing.T) {
	t.Parallel()
	run := func(n int64) []Run {
		return []Run{{Deliver: &Latency{Count: n, P50: 1, P95: 1, P99: 1, P999: 1, Max: 1}}}
	}
	side := func(r Run) *Latency { return r.Deliver }
	if l := latencySpreadOf(run(999), side); l.P999.Median != 0 || l.P99.Median != 1 {
		t.Errorf("of 999: got %+v", l)
	}
	if l := latencySpreadOf(run(1000), side); l.P999.Median != 1 {
		t.Errorf("of 1000: got %+v", l)
	}
}

// TestMeasure_LongEnough: a run that turns out too short is made again, and what
// comes out has its figures.
func TestMeasure_LongEnough(t *testing.T) {
	t.Parallel()
	plan := Plan{Targets: []Target{warrenInside(t)}, Workloads: []Workload{in(D0, roundTrip())}, For: ShortestRun, Repeats: 1}
	found, missing, err := plan.Measure(t.Context())
	if err != nil || len(found) != 1 || len(missing) != 0 {
		t.Fatalf("got %v, %v, %v", found, missing, err)
	}
	r := rowOf(found[0], 0)
	if run := r.Runs[0]; run.Refused != "" || run.Rate == 0 || run.Took < ShortestRun || run.Published < fewest {
		t.Errorf("got %+v, want a run of %v with a rate", run, ShortestRun)
	}
	if r.CPU() == 0 || r.Wire() == "–" {
		t.Errorf("a message costs %v and %s", r.CPU(), r.Wire())
	}
}

// Meddled is a real target of which something is changed.
type meddled struct {
	Target
	published func()              // is called by a publisher
	settled   func(Delivery) bool // whether to acknowledge
}

type meddledConn struct {
	Conn
	meddled
}

type meddledPublisher struct {
	Publisher
	meddled
}

type meddledDelivery struct {
	Delivery
	meddled
}

func (m meddled) Connect(ctx context.Context) (Conn, error) {
	c, err := m.Target.Connect(ctx)
	return meddledConn{c, m}, err
}

func (c meddledConn) Publisher(ctx context.Context, window int) (Publisher, error) {
	p, err := c.Conn.Publisher(ctx, window)
	return meddledPublisher{p, c.meddled}, err
}

func (c meddledConn) Consume(ctx context.Context, queue string, prefetch int, handle func(Delivery)) (func() error, error) {
	return c.Conn.Consume(ctx, queue, prefetch, func(d Delivery) { handle(meddledDelivery{d, c.meddled}) })
}

func (p meddledPublisher) Publish(ctx context.Context, exchange, key string, m Message, confirmed func(error)) error {
	p.published()
	return p.Publisher.Publish(ctx, exchange, key, m, confirmed)
}

func (d meddledDelivery) Ack() error {
	if !d.settled(d.Delivery) {
		return nil
	}
	return d.Delivery.Ack()
}

// TestMeasure_PublishesFromAnOrdinaryGoroutine: one with a thread of its own wakes
// another thread up for each message. And where an acknowledgement does not reach
// the broker, no figure counts it as delivered.
func TestMeasure_PublishesFromAnOrdinaryGoroutine(t *testing.T) {
	t.Parallel()
	var published, locked, kept atomic.Int64
	target := meddled{
		Target: warrenInside(t),
		published: func() {
			var stack [1 << 10]byte
			head, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), "\n")
			if published.Add(1); strings.Contains(head, "locked to thread") {
				locked.Add(1)
			}
		},
		settled: func(Delivery) bool { return kept.Add(1) != 50 },
	}
	w := in(D0, paced(small))
	w.Rate = 1e5
	found, missing, err := Plan{Targets: []Target{target}, Workloads: []Workload{w}, For: time.Millisecond, Repeats: 1}.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if published.Load() == 0 || locked.Load() != 0 {
		t.Errorf("%d of %d messages were published on a thread of their own", locked.Load(), published.Load())
	}
	if len(found) != 0 || len(missing) != 1 || !strings.Contains(missing[0].Why, "the broker still has 1 message") {
		t.Errorf("got %v, missing %v; want that the broker still has a message", found, missing)
	}
}

// TestFrames: methods are counted, wherever the network cuts what is sent.
func TestFrames(t *testing.T) {
	t.Parallel()
	const sent = "AMQP\x00\x00\x09\x01" +
		"\x01\x00\x01\x00\x00\x00\x04abcd\xce" + // a method
		"\x02\x00\x01\x00\x00\x00\x02\x01\x01\xce" + // a header
		"\x03\x00\x01\x00\x00\x00\x00\xce" + // an empty body
		"\x01\x00\x02\x00\x00\x00\x01a\xce"
	for size := 1; size <= len(sent); size++ {
		var methods atomic.Int64
		f := frames{methods: &methods, skip: protocolHeader}
		for piece := range slices.Chunk([]byte(sent), size) {
			f.see(piece)
		}
		if got := methods.Load(); got != 2 {
			t.Errorf("in pieces of %d: %d methods, want 2", size, got)
		}
	}
}
