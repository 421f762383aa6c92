package main

import (
	"context"
	"errors"
	"io"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"warren/workers"
)

// withApp connects an app for a command, and closes it.
func (b *broker) withApp(cmd *cobra.Command, app *workers.App, use func(context.Context) error) error {
	return b.attach(cmd, leaveIfAway, func(ctx context.Context, nc *nats.Conn) (err error) {
		if err := app.Connect(ctx, nc, b.appConfig(cmd.ErrOrStderr())); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeApp(app, nc)) }()
		return use(ctx)
	})
}

// lectureQueue is where the lecture's tasks wait, as in Celery, and what the program
// sends that is told no other.
const lectureQueue = "celery"

func (b *broker) appConfig(stderr io.Writer) workers.Config {
	cfg := workers.Config{
		Queue: lectureQueue, VHost: b.vhost, Replicas: b.replicas, Lease: b.lease, Replies: b.replies,
		Logger: newLogger(stderr, b.logLevel.Level),
	}
	if b.explain {
		cfg.Explain = func(step workers.Explained) { printTaskStep(stderr, step) }
	}
	return cfg
}

func closeApp(app *workers.App, nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := app.Close(ctx)
	if !nc.IsConnected() {
		return nil
	}
	return err
}
