package main

import (
	"crypto/rand"
	"io"
	"os"
	"strings"
)

// A screen is a terminal that shows what it is given and obeys none of it. Names,
// messages and results are anybody's: see visible. Only its painter's colours pass.
type screen struct {
	to *os.File
	// mark begins a colour. No text can have it: it is random, and never shown.
	mark string
}

// onScreen makes a screen of a terminal, and leaves anything else as it is: a pipe or
// a file gets all bytes as they are.
func onScreen(w io.Writer) io.Writer {
	if file, ok := w.(*os.File); ok && isTerminal(file) {
		return &screen{to: file, mark: rand.Text()}
	}
	return w
}

// screenOf is the screen that a writer writes to, or nil.
func screenOf(w io.Writer) *screen {
	if o, ok := w.(*output); ok {
		w = o.to
	}
	s, _ := w.(*screen)
	return s
}

// Write shows a text. A character is given whole: half of one is shown as its bytes.
func (s *screen) Write(text []byte) (int, error) {
	if _, err := io.WriteString(s.to, s.shown(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// shown is what the terminal gets for a text.
func (s *screen) shown(text string) string {
	parts := strings.Split(text, s.mark)
	shown := visible(parts[0])
	for _, part := range parts[1:] {
		how, rest, _ := strings.Cut(part, "m")
		shown += "\x1b[" + how + "m" + visible(rest)
	}
	return shown
}

// colour begins to write in a colour, or with "0" ends it.
func (s *screen) colour(how string) string { return s.mark + how + "m" }
