package compare

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Plan is what is to be measured.
type Plan struct {
	Targets   []Target
	Workloads []Workload
	// For is how long a run is to take, about. Default: 1s.
	For time.Duration
	// Repeats is how often each measurement is made. Default: 3.
	Repeats int
	// Progress is told before each measurement what it is. Default: nobody is.
	Progress func(done, total int, what string)
}

func (p Plan) withDefaults() Plan {
	if p.For <= 0 {
		p.For = time.Second
	}
	if p.Repeats < 1 {
		p.Repeats = 3
	}
	if p.Progress == nil {
		p.Progress = func(int, int, string) {}
	}
	return p
}

// Measure measures every workload on every target that has its class. Targets take
// turns, repeat by repeat, after each has been warmed up. What cannot be measured
// is among the missing with its reason. When the context ends, what was measured
// until then is there with its error.
func (p Plan) Measure(ctx context.Context) ([]Measurement, []Missing, error) {
	p = p.withDefaults()
	var found []Measurement
	missing := p.apart()
	rounds := p.rounds()
	for i, r := range rounds {
		p.Progress(i, len(rounds), r.String())
		measured, failed, err := r.measure(ctx, p)
		found = append(found, measured...)
		missing = append(missing, failed...)
		if err != nil {
			return found, missing, err
		}
	}
	p.Progress(len(rounds), len(rounds), "")
	return found, missing, nil
}

// apart says which brokers are not in which class.
func (p Plan) apart() (missing []Missing) {
	for _, c := range p.classes() {
		var said []string
		for _, t := range p.Targets {
			f := t.Features()
			broker := fmt.Sprintf("%s %s through %s, %s", f.Broker, f.Version, f.Client, f.Transport)
			if p.offers(f, c) || slices.Contains(said, broker) {
				continue
			}
			said = append(said, broker)
			missing = append(missing, Missing{What: fmt.Sprintf("class %s on %s", c, broker), Why: p.others(f)})
		}
	}
	return missing
}

// classes are those of the workloads.
func (p Plan) classes() (list []Class) {
	for _, c := range all {
		asked := func(w Workload) bool { return slices.Contains(w.Classes, c) }
		if slices.ContainsFunc(p.Workloads, asked) {
			list = append(list, c)
		}
	}
	return list
}

// offers reports whether a broker has a class in one of its targets.
func (p Plan) offers(f Features, c Class) bool {
	return slices.ContainsFunc(p.Targets, func(t Target) bool {
		_, ok := t.Features().Classes[c]
		return ok && sameBroker(f, t.Features())
	})
}

func sameBroker(a, b Features) bool {
	return a.Broker == b.Broker && a.Version == b.Version && a.Client == b.Client && a.Transport == b.Transport
}

// others says what a broker has instead of a class.
func (p Plan) others(f Features) string {
	var parts []string
	for _, t := range p.Targets {
		if !sameBroker(f, t.Features()) {
			continue
		}
		for _, c := range all {
			if how, ok := t.Features().Classes[c]; ok {
				parts = append(parts, fmt.Sprintf("%s: %s is %s", t.Name(), how, c))
			}
		}
	}
	return "it has other classes only: " + strings.Join(parts, "; ")
}

// A round is one workload in one class and size on all that have it.
type round struct {
	workload Workload
	class    Class
	size     int
	targets  []Target
}

func (r round) String() string {
	text := fmt.Sprintf("%s, %s, %d bytes", r.workload.Name, r.class, r.size)
	if r.workload.Rate > 0 {
		text += fmt.Sprintf(", %g a second", r.workload.Rate)
	}
	return text
}

func (p Plan) rounds() (list []round) {
	for _, w := range p.Workloads {
		for _, c := range w.Classes {
			having := slices.DeleteFunc(slices.Clone(p.Targets), func(t Target) bool {
				_, ok := t.Features().Classes[c]
				return !ok
			})
			if len(having) == 0 {
				continue
			}
			for _, size := range w.Sizes {
				list = append(list, round{w, c, size, having})
			}
		}
	}
	return list
}

// A contender is a target in a round.
type contender struct {
	Target
	stage *stage
	count int // messages of a run
	found Measurement
	why   error // it cannot
}

func (r round) measure(ctx context.Context, p Plan) ([]Measurement, []Missing, error) {
	var all []*contender
	for _, t := range r.targets {
		c := &contender{Target: t, found: r.measurement(t)}
		if c.stage, c.why = newStage(ctx, t, r.workload, r.class); c.why == nil {
			c.count, c.why = r.warmUp(ctx, c.stage, p.For)
		}
		all = append(all, c)
	}
	for range p.Repeats {
		for _, c := range all {
			if c.why == nil {
				c.repeat(ctx, r, p.For)
			}
		}
	}
	var found []Measurement
	var missing []Missing
	for _, c := range all {
		if ctx.Err() == nil && c.why == nil {
			if c.why = c.stage.checkSettled(ctx); c.why != nil {
				c.found.Runs = nil
			}
		}
		if err := c.stage.strike(); c.why == nil {
			c.why = err
		}
		if len(c.found.Runs) > 0 {
			found = append(found, c.found)
		}
		if c.why != nil && ctx.Err() == nil {
			missing = append(missing, Missing{What: fmt.Sprintf("%s on %s", r, c.Name()), Why: c.why.Error()})
		}
	}
	return found, missing, ctx.Err()
}

func (r round) measurement(t Target) Measurement {
	w := r.workload
	return Measurement{
		Workload: w.Name, Target: t.Name(), Class: r.class, Size: r.size, Window: w.Window, Prefetch: w.Prefetch,
		Publishers: w.Publishers, Consumers: w.Consumers, Bindings: w.Bindings, Rate: w.Rate,
	}
}

// attempts is how often a run is made, each time with twice as many messages or more,
// because it was over too soon: how fast a broker is differs from one time to the next.
const attempts = 6

func (c *contender) repeat(ctx context.Context, r round, long time.Duration) {
	for attempt := 1; ; attempt++ {
		run, err := runOnce(ctx, c.stage, r.size, c.count)
		if err != nil {
			c.why = err
			return
		}
		judged := r.workload.judge(run)
		if judged.Refused != "" && attempt < attempts && long >= ShortestRun && c.count < most {
			c.count = max(2*c.count, r.workload.fit(c.count, run.steady, spare(long)))
			continue
		}
		c.found.Runs = append(c.found.Runs, judged)
		return
	}
}

// spare is how long a run is aimed at for it not to be shorter than it is to be.
func spare(long time.Duration) time.Duration { return long + long/4 }

// gettingFaster is how often, at most, a publisher that gets faster is given time to.
const gettingFaster = 4

// warmUp runs a workload until it is clear how many messages take the time that a
// run is to take. A publisher may have to find out first what is fast on its broker.
func (r round) warmUp(ctx context.Context, s *stage, long time.Duration) (int, error) {
	w := r.workload
	if w.Rate > 0 {
		if _, err := runOnce(ctx, s, r.size, fewest); err != nil {
			return 0, err
		}
		return max(int(w.Rate*spare(long).Seconds()), w.least()), nil
	}
	for n := w.least(); ; n *= 4 {
		run, err := runOnce(ctx, s, r.size, n)
		if err != nil {
			return 0, err
		}
		if run.steady < long/4 && 4*n < most {
			continue
		}
		count := w.fit(n, run.steady, spare(long))
		if w.order != buildOnly {
			return count, nil
		}
		for range gettingFaster {
			if run, err = runOnce(ctx, s, r.size, count); err != nil {
				return 0, err
			}
			slower := count
			count = w.fit(count, run.steady, spare(long))
			if count < slower*5/4 {
				break
			}
		}
		return count, nil
	}
}

// fit is how many messages take as long as they are to, if n took a time.
func (w Workload) fit(n int, took, long time.Duration) int {
	return int(min(max(float64(n)*float64(long)/float64(max(took, time.Microsecond)), float64(w.least())), max(most, float64(w.least()))))
}
