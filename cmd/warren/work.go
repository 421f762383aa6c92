package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// work is how long a receiver pretends to be busy: the lecture's
// time.sleep(random.randint(1, 5)) is 1s-5s.
type work struct{ least, most time.Duration }

// String, Set and Type make a flag of it.
func (w *work) String() string {
	if *w == (work{}) {
		return ""
	}
	return w.least.String() + "-" + w.most.String()
}

// Type names the value in the help.
func (w *work) Type() string { return "TIME" }

// Set reads "2s", or "1s-5s" for a random time in between.
func (w *work) Set(text string) error {
	least, most, ranged := strings.Cut(text, "-")
	if !ranged {
		most = least
	}
	var err, err2 error
	w.least, err = time.ParseDuration(least)
	w.most, err2 = time.ParseDuration(most)
	if err != nil || err2 != nil || w.least < 0 || w.most < w.least {
		return errors.New("use a time like 2s, or two like 1s-5s, the shorter first")
	}
	return nil
}

// do is busy for a while, and returns the error of the context if that ends
// first.
func (w *work) do(ctx context.Context) error {
	busy := w.least
	if w.most > w.least {
		busy += rand.N(w.most - w.least + 1)
	}
	return pause(ctx, busy)
}

// showOn is busy, and then prints for how long it was. Without a time it prints nothing.
func (w *work) showOn(ctx context.Context, out io.Writer) error {
	if *w == (work{}) {
		return nil
	}
	began := time.Now()
	if err := w.do(ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "Processed for %.2f sec.\n", time.Since(began).Seconds())
	return err
}

// pause waits, and returns the error of the context if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
