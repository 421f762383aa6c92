package jsapi

import (
	"context"
	"errors"
	"testing"
)

func TestKeyedLocks_OneAtATimeForEachName(t *testing.T) {
	t.Parallel()
	var locks KeyedLocks
	unlock, err := locks.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := locks.Lock(t.Context(), "b")
	if err != nil {
		t.Fatalf("the lock of another name: %v", err)
	}
	other()
	next := make(chan func())
	go func() {
		unlock, err := locks.Lock(t.Context(), "a")
		if err != nil {
			t.Error(err)
		}
		next <- unlock
	}()
	select {
	case <-next:
		t.Fatal("two have the lock of one name")
	default:
	}
	unlock()
	(<-next)()
	if a, b := locks.Users("a"), locks.Users("b"); a != 0 || b != 0 {
		t.Errorf("%d and %d still use the locks, want none", a, b)
	}
	if n := len(locks.locks); n != 0 {
		t.Errorf("%d locks are kept that nobody uses", n)
	}
}

func TestKeyedLocks_WaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	var locks KeyedLocks
	unlock, err := locks.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := locks.Lock(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if got := locks.Users("a"); got != 1 {
		t.Errorf("%d use the lock, want the one that has it", got)
	}
	unlock()
}
