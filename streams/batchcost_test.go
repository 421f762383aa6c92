package streams

import (
	"testing"
	"time"
)

// TestBatchCost_TellsASyncFromNone: by figures of a disk, and of a broker that does not
// wait for it.
func TestBatchCost_TellsASyncFromNone(t *testing.T) {
	t.Parallel()
	const perSync, perWrite, batch = 160 * time.Microsecond, 8 * time.Microsecond, 4 * time.Millisecond
	for what, test := range map[string]struct {
		each     time.Duration
		n, bytes int
		want     bool
	}{
		"synced, a full window":     {perSync, 1000, 128, true},
		"synced, a window of 100":   {perSync, 99, 128, true},
		"synced, a window of 16":    {perSync, 16, 128, false},
		"synced, one":               {perSync, 1, 128, false},
		"not synced, a full window": {perWrite, 1000, 128, false},
		"not synced, large":         {5 * perWrite, 250, 16 << 10, false},
		"far away":                  {batch / 1000, 1000, 128, false},
	} {
		c := newBatchCost()
		if c.pays(test.n, test.n*test.bytes) {
			t.Errorf("%s: a batch pays before anything is known", what)
		}
		for range 4 {
			c.tookSingles(100, 100*test.each)
		}
		if got := c.pays(test.n, test.n*test.bytes); got != test.want {
			t.Errorf("%s: a batch pays: got %t, want %t", what, got, test.want)
		}
	}
}

// TestBatchCost_IsNotMisled: what is measured while the process waits for its turn says
// nothing, and a batch that took long once is tried again.
func TestBatchCost_IsNotMisled(t *testing.T) {
	t.Parallel()
	const n = 1000
	c := newBatchCost()
	for range 10 {
		c.tookSingles(n, 8*time.Millisecond)
		c.tookSingles(n, 35*time.Millisecond)
		c.tookSingles(n, 39*time.Millisecond)
		if c.pays(n, 0) {
			t.Fatal("a batch pays where most measurements were disturbed")
		}
	}
	c.tookSingles(n, 200*time.Millisecond)
	if !c.pays(n, 0) {
		t.Error("a batch does not pay where messages take long")
	}
	for range 3 {
		c.tookBatch(n, 0, 10*time.Second)
		if !c.pays(n, 0) {
			t.Error("a batch does not pay as one took long")
		}
	}
	c.tookBatch(n, 0, 10*time.Second)
	if c.pays(n, 0) {
		t.Error("a batch pays where all take long")
	}
	for range maxStale {
		c.tookSingles(n, 200*time.Millisecond)
	}
	if !c.pays(n, 0) {
		t.Error("what is known of batches is not forgotten")
	}
	for range len(c.fixed.took) {
		c.refused(n)
	}
	if c.pays(n, 0) {
		t.Error("a batch pays where all are refused")
	}
}

// TestProbes_TakeLittle: while batches pay, a small part of the time goes into measuring
// singles; where it is wrong to gather, they are soon measured.
func TestProbes_TakeLittle(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		single, batch time.Duration
		least, most   float64 // of the time in probes
	}{
		"synced":                   {time.Millisecond, 4 * time.Millisecond, 0.01, 0.06},
		"slowly synced":            {10 * time.Millisecond, 20 * time.Millisecond, 0.01, 0.06},
		"batches are just in time": {50 * time.Microsecond, 4 * time.Millisecond, 0.01, 0.2},
	} {
		const n = 100
		b := &batcher{cost: newBatchCost()}
		b.cost.single.fill(test.single)
		b.begin()
		var batches, probes time.Duration
		for range 1000 {
			batch, probe := b.batchNext(n, 0)
			switch {
			case batch:
				b.tookBatch(n, 0, test.batch)
				batches += test.batch
			case probe:
				b.cost.tookSingles(probeSize, probeSize*test.single)
				probes += probeSize * test.single
			default:
				t.Fatalf("%s: a batch does not pay", what)
			}
		}
		if part := float64(probes) / float64(batches+probes); part < test.least || part > test.most {
			t.Errorf("%s: %.3f of the time is in probes, want %.2f to %.2f", what, part, test.least, test.most)
		}
	}
}
