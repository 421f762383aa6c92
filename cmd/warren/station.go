package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"warren/cmd/internal/weather"
	"warren/streams"
	"warren/workers"
	"warren/workers/beat"
)

// A station is the lecture's weather program: its app with the task 'weather', and
// a store of the last reports, by which every station of a question hears of what
// a worker of any has found out.
type station struct {
	question
	app     *workers.App
	weather workers.Task1[question, weather.Reading]
	session *streams.Session
	reports *streams.Store
}

// weatherQueue is where the task waits: not where the lecture's other worker
// would take it, which does not know it.
const weatherQueue = "weather"

// errUnavailable is that the source has no answer, of which there is a report.
var errUnavailable = errors.New("the weather is unavailable")

// unavailable is why it has none.
type unavailable struct{ error }

func (u unavailable) Unwrap() []error { return []error{u.error, errUnavailable} }

// newStation makes an app of its own for each question: what is due is then sent
// for as long as somebody asks it, and no longer.
func newStation(q question) *station {
	s := &station{question: q, app: workers.New("weather: " + q.String())}
	s.app.RegisterError("UnknownPlace", weather.ErrUnknownPlace)
	s.app.RegisterError("Unavailable", errUnavailable)
	s.weather = workers.Func1(s.app, "weather", s.ask, workers.Queue(weatherQueue),
		workers.Throws(weather.ErrUnknownPlace, errUnavailable))
	return s
}

// open connects the station. What was reported is kept for a month.
func (s *station) open(ctx context.Context, nc *nats.Conn, b *broker, stderr io.Writer) (err error) {
	if s.session, err = streams.Open(ctx, nc, b.config(stderr)); err != nil {
		return err
	}
	s.reports, err = s.session.DeclareStore(ctx, "weather", streams.StoreOptions{TTL: 30 * 24 * time.Hour})
	if err == nil {
		config := b.appConfig(stderr)
		config.Queue = weatherQueue // the app's name has the city in it, which may be no queue's
		err = s.app.Connect(ctx, nc, config)
	}
	if err != nil {
		return errors.Join(err, closeSession(s.session, nc))
	}
	return nil
}

func (s *station) close(nc *nats.Conn) error {
	return errors.Join(closeApp(s.app, nc), closeSession(s.session, nc))
}

// ask is the task: it asks the source, and reports.
func (s *station) ask(ctx context.Context, q question) (weather.Reading, error) {
	source, err := weather.New(q.Source)
	if err != nil {
		return weather.Reading{}, err
	}
	reading, err := source.Current(ctx, q.City, q.Units)
	switch {
	case ctx.Err() != nil:
		return reading, ctx.Err() // somebody else asks
	case err != nil:
		last := s.last(ctx, q)
		if last == nil && errors.Is(err, weather.ErrUnknownPlace) {
			return reading, err // that is for whoever has mistyped it
		}
		if lost := s.report(ctx, q, bulletin{Reading: last, Failed: err.Error()}); lost != nil {
			return reading, errors.Join(err, lost)
		}
		return reading, unavailable{err}
	}
	return reading, s.report(ctx, q, bulletin{Reading: &reading})
}

func (s *station) report(ctx context.Context, q question, r bulletin) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = s.reports.Put(ctx, streams.Put{Key: q.key(), Value: text})
	return err
}

// last is the last reading that is known, nil if none is.
func (s *station) last(ctx context.Context, q question) *weather.Reading {
	e, err := s.reports.Get(ctx, q.key())
	if err != nil {
		return nil
	}
	var r bulletin
	_ = json.Unmarshal(e.Value, &r) // what is none has no reading
	return r.Reading
}

// working runs a worker. A Ctrl-C hands back what it asks just then.
func working(w *workers.Worker) func(context.Context) error {
	return func(ctx context.Context) error {
		defer context.AfterFunc(ctx, w.Stop)()
		return w.Run(ctx)
	}
}

func (s *station) worker() *workers.Worker {
	return s.app.Worker(workers.WorkerConfig{Queues: []string{weatherQueue}})
}

// call is what is sent, now or by the scheduler. Nobody wants it late: then there
// is a newer one.
func (s *station) call() workers.Sig[weather.Reading] {
	return s.weather.S(s.question).With(workers.Expires(max(s.Every, time.Minute)))
}

// entry is when it is sent. It is sent at every start: what was missed before is
// of no use.
func (s *station) entry() beat.Entry {
	return beat.Entry{
		Name: "weather", Schedule: beat.Every(s.Every), Call: s.call(), Missed: beat.MissedSkip,
	}
}

// run tells every report until the context ends, or something does not work.
func (s *station) run(ctx context.Context, tell func(string) error, begun func()) error {
	worker := s.worker()
	scheduler := beat.New(s.app, beat.Config{Entries: []beat.Entry{s.entry()}})
	followed := make(chan struct{})
	follow := func(ctx context.Context) error { return s.follow(ctx, tell, followed) }
	start := func(ctx context.Context) error {
		for _, ready := range []<-chan struct{}{followed, worker.Ready(), scheduler.Ready()} {
			select {
			case <-ready:
			case <-ctx.Done():
				return nil
			}
		}
		begun()
		return s.start(ctx)
	}
	return together(ctx, scheduler.Run, working(worker), follow, start)
}

// start has the source asked at once. A place that it does not know it will not
// know later either; of anything else there is a report.
func (s *station) start(ctx context.Context) error {
	_, err := s.call().Run(ctx)
	var failure *workers.Failure
	if errors.As(err, &failure) && !errors.Is(err, weather.ErrUnknownPlace) || ctx.Err() != nil {
		return nil
	}
	return plainFailure(err)
}

// follow tells what is reported from now on.
func (s *station) follow(ctx context.Context, tell func(string) error, followed chan<- struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	now := false
	err := s.reports.Follow(ctx, s.key(), func(e streams.Entry) {
		var r bulletin
		if !now || e.Gone != streams.Present || json.Unmarshal(e.Value, &r) != nil {
			return
		}
		if err := tell(r.line(time.Now())); err != nil {
			cancel(err)
		}
	}, func() {
		now = true
		close(followed)
	})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// tellOnce tells one reading. If there is none, the error has the last known one.
func (s *station) tellOnce(ctx context.Context, tell func(string) error) error {
	once, end := context.WithCancel(ctx)
	defer end()
	var reading weather.Reading
	err := together(once, working(s.worker()), func(ctx context.Context) (err error) {
		defer end()
		if reading, err = s.call().Run(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		if last := s.last(ctx, s.question); last != nil {
			return fmt.Errorf("%w; %s", plainFailure(err), last.LastKnown(time.Now()))
		}
		return plainFailure(err)
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	}
	return tell(reading.String())
}

// together runs parts until the context ends, or one of them has failed.
func together(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(parts))
	var running sync.WaitGroup
	for _, part := range parts {
		running.Go(func() {
			err := part(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				cancel()
				errs <- err
			}
		})
	}
	running.Wait()
	close(errs)
	return <-errs // nil if there is none
}

// plainFailure is the error of a task without the name of the task.
func plainFailure(err error) error {
	var failure *workers.Failure
	if errors.As(err, &failure) {
		return errors.New(failure.Message)
	}
	return err
}
