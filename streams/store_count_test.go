package streams_test

import (
	"fmt"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

func TestStore_CountReadsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	store, err := r.DeclareStore(r.ctx, "s", streams.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		for range 2 { // what is written twice is one key
			if _, err := store.Put(r.ctx, streams.Put{Key: fmt.Sprintf("a.%d", i), Value: make([]byte, 1000), TTL: time.Minute}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := store.Delete(r.ctx, "a.3"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Purge(r.ctx, "a.4"); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]int{"a.*": 19, ">": 19, "a.1": 1, "a.3": 1, "a.4": 0, "b.*": 0} {
		if n, err := store.Count(r.ctx, pattern); n != want || err != nil {
			t.Errorf("%q: %d keys, %v; want %d", pattern, n, err, want)
		}
	}
	if e, err := store.Last(r.ctx, "a.*"); err != nil || e.Key != "a.3" || e.Gone != streams.Deleted {
		t.Errorf("the last entry is %v, %v; want the marker of a.3", e, err)
	}
	if _, err := store.Count(r.ctx, "a.>.b"); err == nil {
		t.Error("a pattern that goes on behind > is accepted")
	}
}
