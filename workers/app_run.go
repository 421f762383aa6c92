package workers

import (
	"context"
	"errors"
)

// Run runs a worker and a scheduler in this process until the context ends, as
// `celery worker --beat` does: a small service needs no second process for its periodic
// tasks. If one of the two cannot begin or has to end, the other one is ended too, and Run
// returns the reason. It returns when nothing of the two is running, as [Worker.Run] and
// [Scheduler.Run] do.
func (a *App) Run(ctx context.Context, worker WorkerConfig, scheduler SchedulerConfig) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- a.Worker(worker).Run(ctx) }()
	go func() { ended <- a.Scheduler(scheduler).Run(ctx) }()
	first := <-ended
	stop()
	second := <-ended
	if first != nil && errors.Is(second, context.Canceled) {
		return first // the other one had not begun when it was told to end
	}
	return errors.Join(first, second)
}
