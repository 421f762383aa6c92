package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// parting is how long a second Ctrl-C waits: the first may be just about to
// remove what would be left behind.
const parting = 3 * time.Second

// interruptible gives a context that ends with the first Ctrl-C, SIGTERM or
// closing of the terminal, so that commands can hand back what they hold. The
// second ends the process soon, the third at once. The returned function gives
// the signals back to the system.
func interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, ends()...)
	// Who writes to a pipe that nobody reads is told so, and ends in good order.
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		select {
		case got := <-signals:
			if got == os.Interrupt && isTerminal(os.Stderr) {
				fmt.Fprintln(os.Stderr) // behind the ^C that the terminal shows
			}
			cancel()
		case <-ctx.Done():
			return
		}
		<-signals
		fmt.Fprintf(os.Stderr, "Ending within %v; CTRL+C again ends at once\n", parting)
		select {
		case <-signals:
		case <-time.After(parting):
		}
		os.Exit(exitInterrupted)
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
	}
}

// ends are the signals to stop at. With nohup, the closing of the terminal is
// none of them.
func ends() []os.Signal {
	list := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}
