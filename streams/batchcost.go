package streams

import (
	"slices"
	"time"
)

// A batchCost is what a stream takes for messages, one by one and in batches. It
// decides when a batch pays. Most brokers do not say whether they sync each message to
// disk: there it is what tells.
type batchCost struct {
	single recent // what a message takes by itself
	fixed  recent // what a batch takes, whatever its size
	stale  int    // how often singles were measured since there was a batch
}

const (
	// enough is how many messages it takes to measure anything, or for a batch.
	enough = 16
	// telling is how many messages under way keep a broker busy, so that its answers
	// tell how long it takes for each.
	telling = 64
	// A batch is taken to cost this before there was one.
	guessedFixed = 4 * time.Millisecond
	// What a message, and its bytes, add to a batch. Without a sync it is no less
	// than what a message takes by itself.
	batchMessage = 6 * time.Microsecond
	batchKiB     = 10 * time.Microsecond
	// longMeasure is a measurement that is worth more than one.
	longMeasure = 40 * time.Millisecond
	// maxStale is when what is known of batches is doubted.
	maxStale = 256
)

func newBatchCost() batchCost {
	c := batchCost{}
	c.fixed.fill(guessedFixed)
	return c
}

// learn takes over what another stream of the same broker took, which syncs each
// message, or guesses.
func (c *batchCost) learn(other *batchCost) {
	switch {
	case c.single.least() > 0:
	case other != nil:
		*c = *other
	default:
		c.single.fill(guessedFixed / enough)
	}
}

// pays reports whether a batch takes half the time of its messages one by one, or
// less.
func (c *batchCost) pays(n, bytes int) bool {
	return n >= enough && time.Duration(n)*c.single.least() > 2*(c.fixed.least()+variable(n, bytes))
}

// goesOn reports whether a batch takes less time than its messages one by one, where
// batches are sent already.
func (c *batchCost) goesOn(n, bytes int) bool {
	return n >= enough && time.Duration(n)*c.single.least() > c.fixed.least()+variable(n, bytes)
}

func variable(n, bytes int) time.Duration {
	return time.Duration(n)*batchMessage + time.Duration(bytes)*batchKiB/1024
}

// tookSingles notes how long n messages took, one behind the other.
func (c *batchCost) tookSingles(n int, took time.Duration) {
	for range min(1+took/longMeasure, 4) {
		c.single.add(took / time.Duration(n))
	}
	if c.stale++; c.stale >= maxStale {
		c.stale = 0
		c.fixed.fill(guessedFixed)
	}
}

// tookBatch notes how long a batch took.
func (c *batchCost) tookBatch(n, bytes int, took time.Duration) {
	c.stale = 0
	c.fixed.add(max(took-variable(n, bytes), 0))
}

// refused notes that a batch of n messages was in vain.
func (c *batchCost) refused(n int) {
	c.stale = 0
	c.fixed.add(c.fixed.least() + time.Duration(n)*c.single.least())
}

// recent is what something took the last times. The least of them counts: what
// disturbs a measurement, as a busy machine does, only adds to it.
type recent struct {
	took [4]time.Duration
	next int
}

func (r *recent) least() time.Duration { return slices.Min(r.took[:]) }

func (r *recent) add(took time.Duration) {
	r.took[r.next] = took
	r.next = (r.next + 1) % len(r.took)
}

func (r *recent) fill(took time.Duration) {
	for range r.took {
		r.add(took)
	}
}
