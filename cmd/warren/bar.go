package main

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A bar shows on a terminal how far a command is; elsewhere it shows nothing. When all
// of one thing is done, it can be told of the next.
type bar struct {
	w     io.Writer // the terminal itself, or nil if there is none
	shown *progressbar.ProgressBar
}

func newBar(w io.Writer) *bar {
	s := screenOf(w)
	if s == nil {
		return new(bar)
	}
	return &bar{w: s.to}
}

// tell shows that so much is done, and what is being done.
func (b *bar) tell(done, total int, what string) {
	if b.w == nil {
		return
	}
	if b.shown == nil || b.shown.IsFinished() {
		b.shown = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(b.w), progressbar.OptionSetWidth(24), progressbar.OptionShowCount(),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true), progressbar.OptionUseANSICodes(knowsEscapes()))
	}
	b.shown.Describe(described(what))
	if done == 0 {
		_ = b.shown.RenderBlank() // it shows nothing by itself yet
	}
	_ = b.shown.Set(done) // a terminal that is gone needs no bar
}

func (b *bar) end() {
	if b.shown != nil {
		_ = b.shown.Clear()
		_ = b.shown.Exit()
	}
}

// described is a text that may stand in a bar: the bar moves the cursor, and its text
// does not.
func described(text string) string { return visible(onOneLine.Replace(text)) }

const (
	// brief is a wait that nobody needs to be told of.
	brief = 500 * time.Millisecond
	// turn is how often what is shown changes.
	turn = 200 * time.Millisecond
)

// showWaiting shows on a terminal that a command waits, for how long it has and
// for what: a spinner, or if there is a limit a bar that is full when that is over.
// Of a brief wait it shows nothing. What is shown is gone when stop returns.
func showWaiting(ctx context.Context, w io.Writer, limit time.Duration, what func(context.Context) string) (stop func()) {
	s := screenOf(w)
	if s == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var showing sync.WaitGroup
	began := time.Now()
	showing.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(brief):
		}
		most := limit.Milliseconds()
		if most <= 0 {
			most = -1
		}
		shown := progressbar.NewOptions64(most,
			progressbar.OptionSetWriter(s.to), progressbar.OptionSetWidth(24), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetSpinnerChangeInterval(0), progressbar.OptionSpinnerType(14),
			progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
			progressbar.OptionUseANSICodes(knowsEscapes()))
		ticks := time.NewTicker(turn)
		defer ticks.Stop()
		for ctx.Err() == nil {
			if about := what(ctx); ctx.Err() == nil {
				shown.Describe(described(about) + ", " + time.Since(began).Round(time.Second).String())
			}
			if most > 0 {
				_ = shown.Set64(min(time.Since(began).Milliseconds(), most-1))
			}
			select {
			case <-ctx.Done():
			case <-ticks.C:
			}
		}
		_ = shown.Clear()
	})
	return func() {
		cancel()
		showing.Wait()
	}
}
