package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// celeryTasks are the tasks that the messages of Celery are for.
func celeryTasks(said chan<- string) *App {
	app := New("celery")
	Func2(app, "tasks.add", func(_ context.Context, x, y int) (int, error) { return x + y, nil })
	Func2(app, "tasks.mul", func(_ context.Context, x, y int) (int, error) { return x * y, nil })
	Func1(app, "tasks.xsum", func(_ context.Context, list []int) (int, error) {
		sum := 0
		for _, x := range list {
			sum += x
		}
		said <- fmt.Sprint("sum ", sum)
		return sum, nil
	})
	Func0(app, "tasks.broken_task", func(context.Context) (None, error) { return None{}, errors.New("failed") })
	Func1(app, "tasks.print_task", func(context.Context, string) (None, error) { return None{}, nil })
	Func2(app, "tasks.on_task_success", func(_ context.Context, _ None, task string) (None, error) {
		said <- "succeeded " + task
		return None{}, nil
	})
	Func2(app, "tasks.on_task_error", func(_ context.Context, f Failure, task string) (None, error) {
		said <- f.Task + " failed " + task
		return None{}, nil
	})
	return app
}

// A worker runs what a real Celery sent, and what is to follow it.
func TestCanvasesOfCeleryRun(t *testing.T) {
	t.Parallel()
	ofEachCelery(t, canvasesRun)
}

func canvasesRun(t *testing.T, all map[string]captured) {
	t.Helper()
	said := make(chan string, 10)
	w := newWorkshop(t, embeddedtest.Connect(t), celeryTasks(said))
	worker := w.app.Worker(WorkerConfig{})
	w.background("worker", worker.Run)
	for _, test := range []struct {
		call string
		id   string // of the task that ends it
		want string
		said []string
	}{
		{"delay", all["delay"].Messages[0].Headers["id"].(string), "2", nil},
		{"chain", lastOf(t, all["chain"]), "65", nil},
		{"chain_immutable", lastOf(t, all["chain_immutable"]), "9", nil},
		{"chain_into_chord", "", "", []string{"sum 7"}},
		{"link", "", "", []string{"succeeded print_task"}},
		{"link_of_chord", "", "", []string{"sum 10"}},
		{"link_error", "", "", []string{"tasks.broken_task failed broken_task"}},
		{"starmap", all["starmap"].Messages[0].Headers["id"].(string), "[2,12]", nil},
	} {
		for _, one := range all[test.call].Messages {
			w.publish(one.message(t))
		}
		if test.id != "" {
			w.wantResult(test.call, test.id, test.want)
		}
		var got []string
		for range test.said {
			select {
			case s := <-said:
				got = append(got, s)
			case <-w.ctx.Done():
				t.Fatalf("%s: noted %q, want %q", test.call, got, test.said)
			}
		}
		if !slices.Equal(got, test.said) {
			t.Errorf("%s: noted %q, want %q", test.call, got, test.said)
		}
	}
}

// A chord that a client of Celery has begun is refused: each task of its header,
// and its body, has failed of it. What is nested in it too.
func TestAChordOfCeleryIsRefused(t *testing.T) {
	t.Parallel()
	ofEachCelery(t, chordsAreRefused)
}

func chordsAreRefused(t *testing.T, all map[string]captured) {
	t.Helper()
	w := newWorkshop(t, embeddedtest.Connect(t), celeryTasks(make(chan string, 10)))
	worker := w.app.Worker(WorkerConfig{})
	w.background("worker", worker.Run)
	for _, call := range []string{"chord", "chord_in_chord", "chord_link_error"} {
		for _, one := range all[call].Messages {
			in := one.message(t)
			m, err := decodeMessage(in)
			if err != nil {
				t.Fatal(err)
			}
			w.publish(in)
			for _, id := range []string{m.ID, m.Embed.Chord.Options.TaskID} {
				w.awaitEnd(id)
				result, err := ResultOf[any](w.app, id)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := result.Get(w.ctx); !errors.Is(err, ErrForeignChord) {
					t.Errorf("%s: task %s: got %v, want %v", call, id, err, ErrForeignChord)
				}
			}
		}
	}
}

// lastOf is the id of the last step of a chain.
func lastOf(t *testing.T, c captured) string {
	t.Helper()
	m, err := decodeMessage(c.Messages[0].message(t))
	if err != nil {
		t.Fatal(err)
	}
	return m.Embed.Chain[0].Options.TaskID
}

// TestAStampedChainOfCeleryRuns: there are stamps since 5.3.
func TestAStampedChainOfCeleryRuns(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, embeddedtest.Connect(t), celeryTasks(nil))
	worker := w.app.Worker(WorkerConfig{})
	w.background("worker", worker.Run)
	chain := readCaptured(t, "5.6", "messages")["stamped_chain"]
	w.publish(chain.Messages[0].message(t))
	w.wantResult("stamped_chain", lastOf(t, chain), "65")
}

func (w *workshop) wantResult(call, id, want string) {
	w.Helper()
	result, err := ResultOf[any](w.app, id)
	if err != nil {
		w.Fatal(err)
	}
	w.awaitEnd(id)
	text, err := result.h.get(w.ctx)
	if string(text) != want || err != nil {
		w.Errorf("%s: got %s, %v; want %s", call, text, err, want)
	}
}

func (w *workshop) awaitEnd(id string) {
	w.Helper()
	for {
		if _, ok := w.look(id); ok {
			return
		}
		select {
		case <-w.news:
		case <-w.ctx.Done():
			w.Fatalf("task %s did not end", id)
		}
	}
}

func (w *workshop) publish(m streams.Message) {
	w.Helper()
	c, err := w.app.connected()
	if err != nil {
		w.Fatal(err)
	}
	if err := c.declare(w.ctx, "celery", Normal); err != nil {
		w.Fatal(err)
	}
	if err := c.session.Publish(w.ctx, "", "celery", m); err != nil {
		w.Fatal(err)
	}
}
