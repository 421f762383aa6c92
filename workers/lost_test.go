package workers_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// TestATaskThatKillsItsWorkersIsGivenUp after three of them, and takes nothing
// else with it.
func TestATaskThatKillsItsWorkersIsGivenUp(t *testing.T) {
	t.Parallel()
	y := newYard(t, embeddedtest.Listen(t).Connect(t), workers.Config{Lease: time.Second})
	const others = 10
	var rest []*workers.Result[int]
	for i := range others {
		rest = append(rest, apply(&y.shop, y.count.S(fmt.Sprint("other-", i), i)))
		if i == others/2 {
			apply(&y.shop, y.deadly.S(), workers.ID("deadly"))
		}
	}
	for i := range 3 {
		// One at a time: who runs beside the deadly task is lost with its worker, too.
		y.hire(order{Name: fmt.Sprint("victim-", i), Concurrency: 1}).await(y.ctx)
	}
	survivor := y.hire(order{Name: "survivor", Concurrency: 2})
	deadly, err := workers.ResultOf[int](y.shop.App, "deadly")
	if err != nil {
		t.Fatal(err)
	}
	_, err = deadly.Get(y.ctx)
	var f *workers.Failure
	if !errors.Is(err, workers.ErrWorkerLost) || !errors.As(err, &f) || f.Type != "WorkerLostError" {
		t.Errorf("the task ended with %v, want %v", err, workers.ErrWorkerLost)
	}
	is(&y.shop, deadly, workers.Failed)
	for i, r := range rest {
		if got, err := r.Get(y.ctx); got != i || err != nil {
			t.Errorf("task %d gave %d, %v", i, got, err)
		}
	}
	y.untilEmpty("celery")
	survivor.stop()
	if got := y.effects()["deadly"]; got != 3 {
		t.Errorf("it ran %d times, want 3", got)
	}
}
