package main

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A bar shows on a terminal how far a command is; elsewhere it shows nothing.
type bar struct{ shown *progressbar.ProgressBar }

func newBar(w io.Writer) *bar {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return new(bar)
	}
	return &bar{progressbar.NewOptions(1,
		progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(24), progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))}
}

// tell shows that so much is done, and what is being done.
func (b *bar) tell(done, total int, what string) {
	if b.shown == nil {
		return
	}
	b.shown.ChangeMax(total)
	b.shown.Describe(what)
	_ = b.shown.Set(done) // a terminal that is gone needs no bar
}

func (b *bar) end() {
	if b.shown != nil {
		_ = b.shown.Exit()
	}
}
