// Package exercise connects the programs of the exercises, and ends them.
package exercise

import (
	"cmp"
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats.go"

	"warren/streams"
	"warren/workers"
)

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
