package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// reopenAtHangup has a command open its log again at SIGHUP, as daemons do, in place
// of ending. A SIGHUP because its terminal was closed still ends it, unless it was
// started with nohup.
func reopenAtHangup(cmd *cobra.Command, log *logFile) (stop func()) {
	return atHangup(cmd, func() {
		if err := log.reopen(); err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "warren: %s\n", oneLine(err))
			return
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "Opened %s again.\n", log.path)
	})
}

// stayAtHangup has a command go on at SIGHUP, which may be meant for a program that
// reads its configuration again, in the same way.
func stayAtHangup(cmd *cobra.Command) (stop func()) { return atHangup(cmd, func() {}) }

// atHangup has a command do something at SIGHUP, unless its terminal was closed.
func atHangup(cmd *cobra.Command, do func()) (stop func()) {
	ctx, end := context.WithCancel(cmd.Context())
	cmd.SetContext(ctx)
	stays := signal.Ignored(syscall.SIGHUP) || !hasTerminal()
	hangups := make(chan os.Signal, 1)
	signal.Reset(syscall.SIGHUP) // it is no end any more
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range hangups {
			if !stays && !hasTerminal() {
				end()
				continue
			}
			do()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
		end()
	}
}

// hasTerminal reports whether this process has a terminal, which Ctrl-C comes from.
func hasTerminal() bool {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	_ = terminal.Close()
	return true
}
