package main

import (
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// knowsEscapes reports whether terminals here take more than text. Windows' older
// consoles do not, and do not say so.
func knowsEscapes() bool { return runtime.GOOS != "windows" && os.Getenv("TERM") != "dumb" }

func isTerminal(w io.Writer) bool {
	_, ok := terminal(w)
	return ok
}

// terminalWidth is how many columns a terminal shows; 0 if it is none, or does not
// say.
func terminalWidth(w io.Writer) int {
	fd, ok := terminal(w)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(fd)
	if err != nil {
		return 0
	}
	return columns
}

// terminal is the descriptor of a terminal.
func terminal(w io.Writer) (fd int, ok bool) {
	if s := screenOf(w); s != nil {
		w = s.to
	}
	file, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	fd = int(file.Fd())
	return fd, term.IsTerminal(fd)
}
