package streams

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A broker's clock that a test looks at through round trips, on the time of this
// process as it was at began.
type clockRig struct {
	clock
	began time.Time
	ahead time.Duration // of the broker's clock
}

func newClockRig() *clockRig { return &clockRig{began: time.Now(), ahead: time.Hour} }

// ask asks at a time since the beginning; there and back are the ways of the answer.
func (r *clockRig) ask(at, there, back time.Duration) {
	asked := r.began.Add(at)
	looked := asked.Add(there)
	r.learn(clockSample{asked: asked, answered: looked.Add(back), shown: looked.Add(r.ahead).Round(0)})
}

// error is how wrong the clock is at a time since the beginning.
func (r *clockRig) error(at time.Duration) time.Duration {
	here := r.began.Add(at)
	return r.shows(here).Sub(here.Add(r.ahead)).Abs()
}

func TestClock_SlowAnswerIsLeftOut(t *testing.T) {
	t.Parallel()
	r := newClockRig()
	r.ask(0, time.Millisecond, time.Millisecond)
	r.ask(time.Second, 4*time.Second, 0)
	if got := r.error(10 * time.Second); got > time.Millisecond {
		t.Errorf("after an answer that took 4 s one way, the clock is %v wrong, want what was known before", got)
	}
}

func TestClock_SlowFirstAnswerIsBettered(t *testing.T) {
	t.Parallel()
	r := newClockRig()
	r.ask(0, 4*time.Second, 0)
	if got := r.error(5 * time.Second); got > 2*time.Second {
		t.Errorf("after one answer that took 4 s, the clock is %v wrong, want half of that", got)
	}
	r.ask(10*time.Second, time.Millisecond, time.Millisecond)
	if got := r.error(10 * time.Second); got > time.Millisecond {
		t.Errorf("after a better answer, the clock is %v wrong", got)
	}
}

func TestClock_BrokersClockIsSet(t *testing.T) {
	t.Parallel()
	for _, to := range []time.Duration{0, -24 * time.Hour, 2 * time.Hour} {
		r := newClockRig()
		r.ask(0, time.Millisecond, time.Millisecond)
		before := r.now()
		r.ahead = to
		r.ask(time.Second, 100*time.Millisecond, 200*time.Millisecond)
		if got := r.error(time.Second); got > 150*time.Millisecond {
			t.Errorf("the broker's clock was set to %v from an hour ahead: the clock is %v wrong", to, got)
		}
		if now := r.now(); to < time.Hour && !now.Before(before) {
			t.Errorf("the broker's clock was put back, and the time is %v behind %v", now, before)
		}
	}
}

// The time does not go back by what an answer is better than another.
func TestClock_DoesNotGoBack(t *testing.T) {
	t.Parallel()
	r := newClockRig()
	r.ask(0, 0, 100*time.Millisecond) // 50 ms ahead of the broker
	before := r.now()
	r.ask(time.Millisecond, time.Millisecond, time.Millisecond)
	if now := r.now(); now.Before(before) {
		t.Errorf("the time went back by %v", before.Sub(now))
	}
}

// However long answers take, and whichever way takes long, the clock is no more wrong
// than it says.
func TestClock_IsAsRightAsItSays(t *testing.T) {
	t.Parallel()
	for range 1000 {
		r := newClockRig()
		var at time.Duration
		for range 20 {
			there, back := rand.N(200*time.Millisecond), rand.N(200*time.Millisecond)
			r.ask(at, there, back)
			at += there + back + rand.N(time.Minute)
			if got, says := r.error(at), r.accuracy(); got > says {
				t.Fatalf("the clock is %v wrong, and says %v at most", got, says)
			}
		}
	}
}

// TestClock_OneMachineHasOneClock: a slow answer of a broker whose clock may be this
// machine's says that it is.
func TestClock_OneMachineHasOneClock(t *testing.T) {
	t.Parallel()
	for _, way := range []time.Duration{0, 10 * time.Millisecond, 4 * time.Second} {
		r := newClockRig()
		r.ahead = 0
		r.ask(0, way, 0)
		if got := r.error(0); got != 0 {
			t.Errorf("after an answer that took %v there, the clock is %v wrong", way, got)
		}
		r = newClockRig()
		r.ahead = 4 * time.Second
		r.ask(0, time.Second, time.Second)
		if got := r.error(0); got != 0 {
			t.Errorf("of a clock that is 4 s ahead, and an answer of 2 s: %v wrong", got)
		}
	}
}
