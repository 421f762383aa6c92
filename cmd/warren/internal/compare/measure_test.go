package compare

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// TestWorkloads: every workload runs on every target, and nothing is lost,
// duplicated or, where order is promised, reordered.
func TestWorkloads(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, target Target) {
		t.Helper()
		for _, w := range append(Quick(), backlog()) {
			i := slices.IndexFunc(all, func(c Class) bool { _, ok := target.Features().Classes[c]; return ok })
			class := all[i]
			if err := playTwice(t, target, w, class); err != nil {
				t.Errorf("%s: %v", w.Name, err)
			}
		}
	})
}

// playTwice runs a workload twice on one stage.
func playTwice(t *testing.T, target Target, w Workload, class Class) error {
	t.Helper()
	count := 210
	if class == D2 {
		count = 70 // each is synced
	}
	s, err := newStage(t.Context(), target, w, class)
	for range 2 {
		if err != nil {
			break
		}
		var run Run
		if run, err = runOnce(t.Context(), s, w.Sizes[0], count); err == nil {
			checkRun(t, w, run, count)
		}
	}
	return errors.Join(err, s.strike())
}

func checkRun(t *testing.T, w Workload, run Run, count int) {
	t.Helper()
	deliveries := count * max(w.Fanout, 1)
	if w.order == buildOnly {
		deliveries = 0
	}
	if run.Published != count || run.Delivered != deliveries {
		t.Errorf("%s: published %d, delivered %d; want %d and %d", w.Name, run.Published, run.Delivered, count, deliveries)
	}
	if run.Lost+run.Duplicated+run.Reordered != 0 {
		t.Errorf("%s: lost %d, duplicated %d, reordered %d", w.Name, run.Lost, run.Duplicated, run.Reordered)
	}
	if run.Rate <= 0 || run.PublishRate <= 0 || (run.DeliverRate > 0) != (w.order == together) || (run.DrainRate > 0) != (w.order == buildDrain) {
		t.Errorf("%s: rate %g, publish rate %g, deliver rate %g, drain rate %g", w.Name, run.Rate, run.PublishRate, run.DeliverRate, run.DrainRate)
	}
	const rounding = 1 + 1e-9 // they are quotients of the same numbers, in another order
	if most := float64(max(w.Fanout, 1)) * run.PublishRate * rounding; run.DeliverRate > most || run.Rate > most {
		t.Errorf("%s: rate %g, deliver rate %g; what was published allows %g", w.Name, run.Rate, run.DeliverRate, most)
	}
	if run.WireMessages < int64(run.Published+run.Delivered) || run.WireBytes < int64(w.Sizes[0]*(run.Published+run.Delivered)) {
		t.Errorf("%s: %d messages and %d bytes were on the wire, want those of %d and %d messages at least", w.Name, run.WireMessages, run.WireBytes, run.Published, run.Delivered)
	}
	if run.Confirm == nil || (run.Deliver != nil) != (w.order == together) {
		t.Errorf("%s: confirm %v, deliver %v", w.Name, run.Confirm, run.Deliver)
	}
	if run.Started.IsZero() || run.Took <= 0 {
		t.Errorf("%s: started %v, took %v", w.Name, run.Started, run.Took)
	}
	sum := 0
	for _, n := range run.Shares {
		sum += n
	}
	if competing := w.Consumers > max(w.Fanout, 1); competing && sum != deliveries || competing != (len(run.Shares) > 0) {
		t.Errorf("%s: shares %v", w.Name, run.Shares)
	}
}

// TestMeasure: targets take turns, and each class has those that have it.
func TestMeasure(t *testing.T) {
	t.Parallel()
	plain := warrenInside(t)
	raw, err := NewJetStream(t.Context(), startInside(t, true), 1)
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, raw)
	plan := Plan{
		Targets: []Target{plain, raw}, Workloads: []Workload{publish(2), narrow(oneToOne(small))},
		For: 20 * time.Millisecond, Repeats: 2,
	}
	var told int
	plan.Progress = func(done, total int, what string) {
		if done != told || total != 6 || (what == "") != (done == total) {
			t.Errorf("progress is %d of %d, %q", done, total, what)
		}
		told++
	}
	found, missing, err := plan.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 6 {
		t.Errorf("%d measurements, want 6", len(found))
	}
	for _, m := range found {
		if want := map[Class]string{D0: plain.Name(), D1: plain.Name(), D2: raw.Name()}[m.Class]; m.Target != want || len(m.Runs) != 2 {
			t.Errorf("%s in %s: %d runs on %s, want 2 on %s", m.Workload, m.Class, len(m.Runs), m.Target, want)
		}
	}
	if len(missing) != 3 {
		t.Errorf("missing: %v; want D2 of the one, D0 and D1 of the other", missing)
	}
}

// narrow is a workload that a short run has enough messages for.
func narrow(w Workload) Workload {
	w.Window, w.Prefetch = 2, 2
	return w
}

// TestMeasureInterrupted: what was measured until then is there.
func TestMeasureInterrupted(t *testing.T) {
	t.Parallel()
	target := warrenInside(t)
	ctx, cancel := context.WithCancel(t.Context())
	plan := Plan{
		Targets: []Target{target}, Workloads: []Workload{in(D0, publish(2)), in(D0, narrow(oneToOne(small)))},
		For: 10 * time.Millisecond, Repeats: 1,
		Progress: func(done, _ int, _ string) {
			if done == 1 {
				cancel()
			}
		},
	}
	found, _, err := plan.Measure(ctx)
	if !errors.Is(err, context.Canceled) || len(found) != 1 {
		t.Errorf("%d measurements, %v; want the first one, and %v", len(found), err, context.Canceled)
	}
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	a := newArrivals([]int{3, 1})
	var o orderCheck
	var first []bool
	for _, s := range []stamp{{0, 1, 0}, {0, 0, 0}, {0, 1, 0}, {1, 0, 0}, {7, 0, 0}} {
		isNew := a.note(s, true)
		if first = append(first, isNew); isNew {
			o.note(s)
		}
	}
	if want := []bool{true, true, false, true, false}; !slices.Equal(first, want) {
		t.Errorf("new are %v, want %v", first, want)
	}
	if a.missing() != 1 || a.duplicated != 1 || a.foreign != 1 || o.reordered != 1 {
		t.Errorf("missing %d, duplicated %d, foreign %d, reordered %d; want 1 each", a.missing(), a.duplicated, a.foreign, o.reordered)
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	want := stamp{publisher: 3, sequence: 1 << 40, sent: time.Hour}
	body := make([]byte, MinSize)
	want.write(body)
	if got, ok := readStamp(body); !ok || got != want {
		t.Errorf("got %v, %v, want %v", got, ok, want)
	}
	if _, ok := readStamp(body[1:]); ok {
		t.Error("a body that is too short was read")
	}
}

// TestPace: a message is due when it is due, and not when its turn came.
func TestPace(t *testing.T) {
	t.Parallel()
	p := paceOf(1000)
	late := p.start - time.Second
	p.start = late
	for i := range 3 {
		due, err := p.wait(t.Context(), i)
		if want := late + time.Duration(i)*time.Millisecond; err != nil || due != want {
			t.Errorf("message %d was due at %v, %v, want %v", i, due, err, want)
		}
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	one, two := newHistogram(), newHistogram()
	for i := range 100 {
		record(one, time.Duration(i)*time.Millisecond)
		record(two, time.Hour)
	}
	if l, err := latencyOf(newHistogram()); l != nil || err != nil {
		t.Errorf("of nothing: %v, %v", l, err)
	}
	l, err := latencyOf(one, two)
	if err != nil {
		t.Fatal(err)
	}
	if l.Count != 200 || l.P99 < mostLatency || l.P50 < 98*time.Millisecond || l.P50 > 100*time.Millisecond {
		t.Errorf("got %+v", l)
	}
	if h, err := hdrhistogram.Decode([]byte(l.Histogram)); err != nil || h.TotalCount() != 200 {
		t.Errorf("the histogram reads as %v, %v", h, err)
	}
}

func TestMachine(t *testing.T) {
	t.Parallel()
	m, err := ThisMachine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.OS == "" || m.Arch == "" || m.Cores == 0 || m.Go == "" || m.Fsync <= 0 {
		t.Errorf("got %+v", m)
	}
	t.Logf("%+v", m)
}
