package workers_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// TestTheLogOfAWorker: a line for what a worker gets, and for what that comes to,
// and those of the tasks themselves, each with the task's name and id.
func TestTheLogOfAWorker(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	speaks := workers.Func1(s.App, "speaks", func(ctx context.Context, x int) (int, error) {
		workers.Logger(ctx).Info("thinks")
		return x, nil
	})
	panics := workers.Func0(s.App, "panics", func(context.Context) (int, error) { panic("no") })
	throws := workers.Func0(s.App, "throws", func(context.Context) (int, error) { return 0, fmt.Errorf("as ever: %w", errKnown) },
		workers.Throws(errBroken, errKnown))
	var log bytes.Buffer
	handler := slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	s.connect(embeddedtest.Connect(t), workers.Config{Logger: slog.New(handler)})
	stop := s.work(workers.WorkerConfig{Name: "one", Concurrency: 1})
	run(s, speaks.S(5))
	for _, sig := range []workers.Sig[int]{
		s.broken.S(),
		s.broken.S().With(workers.Retry(workers.RetryPolicy{Max: 1, Delay: time.Millisecond})),
		panics.S(),
		throws.S(),
		s.add.S(1, 1).With(workers.Countdown(time.Second), workers.Expires(time.Millisecond)),
	} {
		_ = failing(s, sig)
	}
	stop()
	got := linesByID(log.String())
	const about = " worker=one task=%s id "
	received := "level=DEBUG msg=\"task received\"" + about + "queue=celery attempt=%d\n"
	ended := "level=%s msg=\"task %s\"" + about + "attempt=%d runtime %s\n"
	want := fmt.Sprintf(received, "speaks", 1) +
		fmt.Sprintf("level=INFO msg=thinks worker=one task=%s id\n", "speaks") +
		fmt.Sprintf(ended, "DEBUG", "succeeded", "speaks", 1, "result=5") +
		fmt.Sprintf(received, "broken", 1) +
		fmt.Sprintf(ended, "ERROR", "failed", "broken", 1, "type=error error=failed") +
		fmt.Sprintf(received, "broken", 1) +
		fmt.Sprintf(ended, "INFO", "is retried", "broken", 1, "in type=error error=failed") +
		fmt.Sprintf(received, "broken", 2) +
		fmt.Sprintf(ended, "ERROR", "failed", "broken", 2, "type=error error=failed") +
		fmt.Sprintf(received, "panics", 1) +
		fmt.Sprintf(ended, "ERROR", "failed", "panics", 1, `type=panic error="panic: no" traceback="goroutine`) +
		fmt.Sprintf(received, "throws", 1) +
		fmt.Sprintf(ended, "INFO", "failed", "throws", 1, `type=Known error="as ever: a known error"`) +
		fmt.Sprintf(received, "add", 1) +
		fmt.Sprintf(ended, "INFO", "revoked", "add", 1, `type=TaskExpiredError error="the task expired before it was begun"`)
	if got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestTheLoggerOfNoTask(t *testing.T) {
	t.Parallel()
	if got := workers.Logger(t.Context()); got != slog.Default() {
		t.Errorf("got %v, want slog's default", got)
	}
}

// linesByID puts the lines about each task together, and takes out of them what is
// never the same.
func linesByID(log string) string {
	ids := regexp.MustCompile(` id=(\S+)`)
	var order []string
	lines := make(map[string]string)
	for line := range strings.Lines(log) {
		id := ids.FindString(line)
		if lines[id] == "" {
			order = append(order, id)
		}
		lines[id] += line
	}
	var all strings.Builder
	for _, id := range order {
		all.WriteString(lines[id])
	}
	return regexp.MustCompile(`(\b(?:runtime|in|id))=\S+|("goroutine).*"`).ReplaceAllString(all.String(), "$1$2")
}
