package jsapi

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff_DoublesUpToTheLongest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pause := Backoff{First: 10 * time.Millisecond, Most: 50 * time.Millisecond}
		var waited []time.Duration
		var longest []bool
		for range 5 {
			began := time.Now()
			if err := pause.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			waited, longest = append(waited, time.Since(began)), append(longest, pause.IsLongest())
		}
		want := []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 50 * time.Millisecond, 50 * time.Millisecond}
		if !slices.Equal(waited, want) {
			t.Errorf("waited %v, want %v", waited, want)
		}
		if want := []bool{false, false, false, true, true}; !slices.Equal(longest, want) {
			t.Errorf("longest: %v, want %v", longest, want)
		}
	})
}

func TestBackoff_EndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pause := Backoff{First: time.Hour, Most: time.Hour}
	if err := pause.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}
