// Package exercise reads the command lines of the exercises, connects them, and ends them.
package exercise

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"

	"warren/streams"
	"warren/workers"
)

// Args returns the arguments behind the flags. names has one word for each; three dots at
// the end stand for more of the last one. If the arguments do not fit, the process ends and
// says how the program is used.
func Args(names string) []string {
	usage := fmt.Sprintf("usage: %s %s", filepath.Base(os.Args[0]), names)
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	want, got := len(strings.Fields(names)), flag.NArg()
	if got < want || got > want && !strings.HasSuffix(names, "...") {
		log.Fatal(usage)
	}
	return flag.Args()
}

// Printer returns a function that prints the result of a call. The first call that fails
// ends the context, with its error as the cause, so that those that follow do nothing.
func Printer(ctx context.Context) (context.Context, func(value any, err error)) {
	ctx, fail := context.WithCancelCause(ctx)
	return ctx, func(value any, err error) {
		switch {
		case err != nil:
			fail(err)
		case ctx.Err() == nil:
			fmt.Println(value)
		}
	}
}

// Run runs a program with a session on the broker at $NATS_URL, on this machine
// otherwise. The context ends with Ctrl-C. An error ends the process with it.
func Run(program func(context.Context, *streams.Session) error) {
	connect(func(ctx context.Context, nc *nats.Conn) error {
		session, err := streams.Open(ctx, nc, streams.Config{})
		if err != nil {
			return err
		}
		return errors.Join(program(ctx, session), session.Close(context.WithoutCancel(ctx)))
	})
}

// RunApp is Run for a program with tasks, which are those of the app.
func RunApp(app *workers.App, program func(context.Context) error) {
	connect(func(ctx context.Context, nc *nats.Conn) error {
		if err := app.Connect(ctx, nc, workers.Config{}); err != nil {
			return err
		}
		return errors.Join(program(ctx), app.Close(context.WithoutCancel(ctx)))
	})
}

func connect(program func(context.Context, *nats.Conn) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	nc, err := nats.Connect(cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL))
	if err == nil {
		err = program(ctx, nc)
		nc.Close()
	}
	stop()
	if err != nil {
		log.Fatal(err)
	}
}
