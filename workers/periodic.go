package workers

import (
	"context"
	"log/slog"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/periodic"
)

// What package beat uses of an app. It reaches it through package periodic: a user of
// workers alone links no scheduler.

type periodicRun = periodic.Run[Signature]

func init() {
	periodic.Connect = func(a *App) (periodic.Client[Call, Signature], error) {
		c, err := a.connected()
		if err != nil {
			return nil, err
		}
		return periodicClient{c}, nil
	}
}

// periodicClient is a client as package beat sees it.
type periodicClient struct{ c *client }

// periodicStore is what the entries of all apps are stored in.
const periodicStore = "beat"

func (p periodicClient) Store(ctx context.Context) (*streams.Store, error) {
	return p.c.session.DeclareStore(ctx, periodicStore, streams.StoreOptions{MarkerTTL: p.c.cfg.markers})
}

func (p periodicClient) Now() time.Time         { return p.c.now() }
func (p periodicClient) Logger() *slog.Logger   { return p.c.cfg.Logger }
func (p periodicClient) Lease() time.Duration   { return wholeSeconds(p.c.cfg.Lease) }
func (p periodicClient) Timeout() time.Duration { return p.c.cfg.Timeout }
func (p periodicClient) Passes(err error) bool  { return lastingOf(err) == passing }

func (p periodicClient) Signature(call Call) (Signature, error) {
	made, ok := call.(interface{ whole() part })
	if !ok {
		return call.Signature(), nil
	}
	whole := made.whole()
	if whole.app != nil && whole.app != p.c.app {
		return whole.sig, errOtherApp
	}
	return whole.sig, whole.err
}

func (p periodicClient) Measure(sig Signature) error { return canvas.Measure(&sig) }

func (p periodicClient) Check(run periodicRun) error {
	_, err := p.freeze(run)
	return err
}

// freeze makes of a run what is sent of it.
func (p periodicClient) freeze(run periodicRun) (Signature, error) {
	sig := run.Call
	sig.Options.Headers = canvas.WithHeader(sig.Options.Headers, headerScheduled, run.Due.UTC().Format(time.RFC3339Nano))
	n := -1
	return canvas.Freeze(sig, func() string { n++; return run.ID(n) }, p.c.complete)
}

func (p periodicClient) Send(ctx context.Context, run periodicRun) error {
	err := p.send(ctx, run)
	if err != nil && final(err, run.Tries) {
		return p.giveUp(ctx, run, err)
	}
	return err
}

// send sends a run. An entry of an earlier version may have what is refused today.
func (p periodicClient) send(ctx context.Context, run periodicRun) error {
	sig, err := p.freeze(run)
	if err != nil {
		return celery.Permanent(err)
	}
	eff := effects{Effects: canvas.Effects{SentAt: p.c.now()}, final: func(err error) bool { return final(err, run.Tries) }}
	eff.Start(sig, nil, canvas.Beginning(sig))
	return p.c.carry(ctx, &eff)
}

// giveUp keeps a run that can never be sent as a dead letter: the next one is due all
// the same.
func (p periodicClient) giveUp(ctx context.Context, run periodicRun, cause error) error {
	m := &Message{
		ID: run.ID(0), Task: first(run.Call.Task, string(run.Call.Kind)),
		GroupIndex: -1, Args: run.Call.Args, Kwargs: run.Call.Kwargs, Queue: run.Call.Options.Queue,
	}
	run.Logger.Error("gave up a run that can never be sent", "entry", run.Entry, "id", m.ID, "error", cause)
	f := p.c.unsent(refusal{m, cause})
	if err := p.c.bury(ctx, p.c.letterOf(m, f)); err != nil {
		return err
	}
	return insist(ctx, func(ctx context.Context) error {
		return recorded(ctx, []*streams.Pending{p.c.begin(ctx, canvas.End{ID: m.ID, Task: m.Task, Cause: f})})
	})
}
