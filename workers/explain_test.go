package workers_test

import (
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// TestExplain_Tasks: each step of a chord and of a retry says in Celery's words what it is, and
// which subject of which stream it became.
func TestExplain_Tasks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	explain := func(step workers.Explained) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, step.Celery+" | "+step.AMQP+" | "+strings.Join(step.NATS, "; "))
	}
	s := newShop(t)
	var times []time.Time
	again := s.trier("again", func(attempt int) error {
		if attempt == 0 {
			return errKnown
		}
		return nil
	}, &times, workers.Retry(workers.RetryPolicy{Max: 1, Delay: 200 * time.Millisecond}))
	s.connect(embeddedtest.Connect(t), workers.Config{Explain: explain})
	stop := s.work(workers.WorkerConfig{Name: "celery@one"})
	sum, err := workers.Chord(workers.Group(s.add.S(1, 1), s.add.S(2, 2)), s.xsum.P()).Apply(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	tried, err := again.Delay(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*workers.Result[int]{sum, tried} {
		if _, err := r.Get(s.ctx); err != nil {
			t.Fatal(err)
		}
	}
	stop() // what was run is settled
	text := strings.Join(told, "\n")
	for _, want := range []string{
		`group: record its members, and what follows \| store.put tasks join\.\S+\.plan \| publish to subject warren\.v\.tasks\.join\.\S+\.plan of stream warren~v~tasks`,
		`apply_async add\[\S+\] queue=celery \| `,
		`\| tx.select, basic.publish exchange= routing_key=celery 2 times, tx.commit \| publish an atomic batch of 2 messages to stream warren~q~celery`,
		`record that a task was sent: it is PENDING \| store.put tasks task\.\S+\.sent \|`,
		`\| basic.deliver queue=celery delivery_tag=\d+ redelivered=false \| message \d+ of stream warren~q~celery, from consumer celery`,
		`worker celery@one runs add\[\S+\] delivery_tag=\d+ \|  \| it is acknowledged when it has ended`,
		`result backend: record the state of a task \| store.put tasks task\.\S+\.state \| publish to subject warren\.v\.tasks\.task\.\S+\.state of stream warren~v~tasks; only if`,
		`group: record the result of a member; who records the last one sends what follows \| store.put tasks join\.\S+\.0\.1 \|`,
		`apply_async xsum\[\S+\] queue=celery \| `,
		`xsum\[\S+\] is SUCCESS`,
		`again\[\S+\] is RETRY`,
		`retry 1 again\[\S+\] queue=celery eta=\S+ \|  \| it waits in the stream of queue warren\.later until then`,
		`\| basic.ack delivery_tag=\d+ multiple=false \| publish \+ACK to \$JS\.ACK\.warren~q~celery\.celery\.`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("nothing says %q in\n%s", want, text)
		}
	}
	// What workers renew all the time is not told.
	if strings.Contains(text, "tasks worker.") {
		t.Errorf("presence is told:\n%s", text)
	}
}
