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

// Args are the arguments of the program behind its flags. Names has a word for each, of
// which the last one stands for several if it ends in three dots. Others end the process.
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

// Printer gives a function that prints what a call has given. The first error ends the
// context, so that the calls that follow do nothing, and is its cause.
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
