package jsapi

import (
	"context"
	"time"
)

// Sleep waits, or returns the context's error if that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Backoff is the pause between tries: First at first, then each twice the one before, up to
// Most. Use one for each loop; it is not safe for concurrent use.
type Backoff struct {
	First, Most time.Duration
	last        time.Duration
}

// Wait sleeps for the next pause.
func (b *Backoff) Wait(ctx context.Context) error {
	b.last = min(max(2*b.last, b.First), b.Most)
	return Sleep(ctx, b.last)
}

// IsLongest reports whether the last pause was as long as they get.
func (b *Backoff) IsLongest() bool { return b.last == b.Most }
