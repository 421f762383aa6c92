package beat

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

var planStart = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func planOf(t *testing.T, s Schedule, change func(*plan)) plan {
	t.Helper()
	times, err := s.times(planStart)
	if err != nil {
		t.Fatal(err)
	}
	p := plan{times: times, name: "entry", since: planStart, missed: MissedOnce}
	change(&p)
	return p
}

// clocks says which times are due, and how many.
func clocks(list []time.Time) string {
	var said []string
	for _, at := range list {
		said = append(said, at.Sub(planStart).String())
	}
	if len(said) > 3 {
		said = []string{said[0], "...", said[len(said)-1], fmt.Sprint(len(list))}
	}
	return strings.Join(said, " ")
}

func TestPlanOfMissedRuns(t *testing.T) {
	t.Parallel()
	const late = 30 * time.Second
	for _, test := range []struct {
		name      string
		schedule  Schedule
		change    func(*plan)
		last, now time.Duration // since the start; last is before it for none
		want      string
	}{
		{"not due yet", Every(20 * time.Minute), func(*plan) {}, -1, 20*time.Minute - 1, ""},
		{"due", Every(20 * time.Minute), func(*plan) {}, -1, 20 * time.Minute, "20m0s"},
		{"has run", Every(20 * time.Minute), func(*plan) {}, 20 * time.Minute, 39 * time.Minute, ""},
		{"at the start", Every(20 * time.Minute), func(p *plan) { p.atStart = true }, -1, 0, "0s"},
		{"at the start, has run", Every(20 * time.Minute), func(p *plan) { p.atStart = true }, 0, time.Minute, ""},
		{"three missed, once", Every(20 * time.Minute), func(*plan) {}, 0, 70 * time.Minute, "1h0m0s"},
		{"three missed, all", Every(20 * time.Minute), func(p *plan) { p.missed = MissedAll }, 0, 70 * time.Minute, "20m0s 40m0s 1h0m0s"},
		{"three missed, skip", Every(20 * time.Minute), func(p *plan) { p.missed = MissedSkip }, 0, 70 * time.Minute, ""},
		{"late is not missed", Every(20 * time.Minute), func(p *plan) { p.missed = MissedSkip }, 0, 40*time.Minute + late, "40m0s"},
		{"later is", Every(20 * time.Minute), func(p *plan) { p.missed = MissedSkip }, 0, 40*time.Minute + late + 1, ""},
		{"a year of seconds", Every(time.Second), func(p *plan) { p.missed = MissedAll }, 0, 365 * 24 * time.Hour, "8759h58m21s ... 8760h0m0s 100"},
		{"a year of a crontab", Crontab("* * * * * *"), func(p *plan) { p.missed = MissedAll }, 0, 365 * 24 * time.Hour, "8759h58m21s ... 8760h0m0s 100"},
		{"twenty years", Crontab("0 0 1 1 *"), func(p *plan) { p.missed = MissedAll }, 0, 20 * 365 * 24 * time.Hour, "8748h0m0s ... 166548h0m0s 19"},
		{"times that are over when it is put", At(planStart.Add(-time.Hour), planStart.Add(time.Hour)), func(*plan) {}, -1, 2 * time.Hour, "1h0m0s"},
		{"the last run was of another schedule", Every(20 * time.Minute), func(*plan) {}, -time.Hour, 20 * time.Minute, "20m0s"},
	} {
		p := planOf(t, test.schedule, test.change)
		if got := clocks(p.due(planStart.Add(test.last), planStart.Add(test.now), late)); got != test.want {
			t.Errorf("%s: due is %q, want %q", test.name, got, test.want)
		}
	}
}

// Each run is sent a while after it is due, the same in every scheduler, and
// before the next one is.
func TestPlanOfJitter(t *testing.T) {
	t.Parallel()
	for _, jitter := range []time.Duration{time.Second, 5 * time.Minute, 20 * time.Minute, 24 * time.Hour} {
		p := planOf(t, Every(20*time.Minute), func(p *plan) { p.jitter = jitter })
		due, at, different := planStart, planStart, make(map[time.Duration]bool)
		for range 100 {
			due = p.next(due)
			fire := p.fire(due)
			if fire.Before(due) || fire.Sub(due) >= min(jitter, 20*time.Minute) {
				t.Fatalf("jitter %v: the run of %v is sent at %v", jitter, due, fire)
			}
			if at = p.nextFire(at); !at.Equal(fire) {
				t.Fatalf("jitter %v: next is %v, want %v", jitter, at, fire)
			}
			different[fire.Sub(due)] = true
			if got := p.due(due.Add(-20*time.Minute), fire.Add(-1), time.Second); len(got) != 0 && jitter < 20*time.Minute {
				t.Fatalf("jitter %v: a run is due before it is sent", jitter)
			}
		}
		if len(different) < 90 {
			t.Errorf("jitter %v: %d different ones of 100", jitter, len(different))
		}
	}
}

func TestRunsHaveTheirIDs(t *testing.T) {
	t.Parallel()
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	ids := make(map[string]bool)
	for _, run := range []struct {
		app, entry string
		lastRun
	}{
		{"app", "entry", lastRun{Due: planStart}}, {"app", "entry", lastRun{Due: planStart.Add(1)}},
		{"app", "entry", lastRun{Due: planStart, Anew: 1}},
		{"app", "entr", lastRun{Due: planStart}}, {"appe", "ntry", lastRun{Due: planStart}},
		{"app", "entry", lastRun{Due: planStart.In(time.FixedZone("", 3600)), Sent: true, From: planStart}},
	} {
		for n := range 2 {
			id := runID(run.app, run.entry, run.lastRun, n)
			if !uuid.MatchString(id) {
				t.Errorf("id %q is no UUID", id)
			}
			ids[id] = true
		}
	}
	if len(ids) != 10 {
		t.Errorf("%d ids, want 10: two each, and the zone does not count", len(ids))
	}
	// What was claimed by an earlier version is sent under the ids that it had.
	for _, id := range []string{"87307820-3e95-8575-81fa-4781900c4bdc", "a790adf9-5d6c-85df-bfc1-665addb385d3"} {
		if !ids[id] {
			t.Errorf("no run has the id %s", id)
		}
	}
}
