package workers

import (
	"context"
	"errors"
)

// A Runner is what runs until its context ends: a [Worker], or a scheduler of package
// workers/beat.
type Runner interface {
	Run(ctx context.Context) error
}

// Run runs a worker in this process until the context ends, and others beside it. With a
// scheduler of package workers/beat it does what `celery worker --beat` does: a small
// service needs no second process for its periodic tasks. If one of them cannot begin or
// has to end, the others are ended too, and Run returns the reason. It returns when none
// of them is running.
func (a *App) Run(ctx context.Context, worker WorkerConfig, beside ...Runner) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	all := append([]Runner{a.Worker(worker)}, beside...)
	ended := make(chan error, len(all))
	for _, r := range all {
		go func() { ended <- r.Run(ctx) }()
	}
	errs := make([]error, len(all))
	for i := range errs {
		errs[i] = <-ended
		stop()
		if i > 0 && errs[0] != nil && errors.Is(errs[i], context.Canceled) {
			errs[i] = nil // it had not begun when it was told to end
		}
	}
	return errors.Join(errs...)
}
