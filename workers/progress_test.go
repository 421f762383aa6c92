package workers_test

import (
	"context"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

func TestATaskTellsItsProgress(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	told, goOn := make(chan struct{}), make(chan struct{})
	slow := workers.Func0(s.App, "slow", func(ctx context.Context) (int, error) {
		for done := range 3 {
			if err := workers.Progress(ctx, map[string]int{"done": done, "of": 3}); err != nil {
				return 0, err
			}
			told <- struct{}{}
			<-goOn
		}
		return 3, nil
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	r := apply(s, slow.S())
	wantProgress(s, r, "")
	s.work(workers.WorkerConfig{})
	for _, want := range []string{`{"done":0,"of":3}`, `{"done":1,"of":3}`, `{"done":2,"of":3}`} {
		<-told
		wantProgress(s, r, want)
		is(s, r, workers.Started)
		goOn <- struct{}{}
	}
	if got, err := r.Get(s.ctx); got != 3 || err != nil {
		t.Errorf("got %d, %v; want 3", got, err)
	}
	wantProgress(s, r, "")
}

func wantProgress(s *shop, r *workers.Result[int], want string) {
	s.Helper()
	got, err := r.Progress(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	if string(got) != want {
		s.Errorf("its progress is %q, want %q", got, want)
	}
}

func TestProgressIsOfATask(t *testing.T) {
	t.Parallel()
	if err := workers.Progress(t.Context(), 1); err == nil {
		t.Error("a context of no task told of progress")
	}
}
