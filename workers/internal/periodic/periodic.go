// Package periodic is the door between packages workers and beat: what a scheduler needs
// of a connected app, and no other program does. Package workers is behind the door, and
// package beat in front of it.
package periodic

import (
	"context"
	"log/slog"
	"time"

	"warren/streams"
)

// Connect opens the door: it is a
//
//	func(*workers.App) (Client[workers.Call, workers.Signature], error)
//
// which package workers sets. This package cannot name the types of workers, which
// imports it.
var Connect any

// A Client is what package beat uses of an app while the app is connected.
type Client[Call, Signature any] interface {
	// Store opens the store of entries. An app without entries has none.
	Store(ctx context.Context) (*streams.Store, error)
	// Now is the time by the broker's clock.
	Now() time.Time
	// Logger is that of the app.
	Logger() *slog.Logger
	// Lease is how long a leader that was killed counts as alive, in whole seconds.
	Lease() time.Duration
	// Timeout bounds one attempt to send runs.
	Timeout() time.Duration

	// Signature gives a call as data. The error says what is wrong with the call, or
	// that it is another app's.
	Signature(call Call) (Signature, error)
	// Measure refuses a signature that is too large to be sent.
	Measure(sig Signature) error
	// Check says why a run cannot be sent, before anything is.
	Check(run Run[Signature]) error
	// Send sends a run. Sent again, by whomever, it is the same run, and changes nothing.
	// What can never be sent becomes a dead letter, and counts as sent.
	Send(ctx context.Context, run Run[Signature]) error
	// Passes reports whether the cause of an error goes by itself, like a broker that is
	// away.
	Passes(err error) bool
}

// A Run is a call that is to be sent because its time has come.
type Run[Signature any] struct {
	// Entry is the name that logs have for it.
	Entry string
	Call  Signature
	// Due is the time that has come; the tasks of the run are told.
	Due time.Time
	// ID gives the id of each task of the run, counted from 0.
	ID func(n int) string
	// Tries is how often the run could not be sent for a reason that does not pass.
	Tries int
	// Logger is told when the run becomes a dead letter.
	Logger *slog.Logger
}
