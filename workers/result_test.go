package workers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/workers"
)

// Get waits as long as its context and not a moment longer.
func TestGetHasTheDeadlineOfItsContext(t *testing.T) {
	bubble(t, func(*shop) {}, func(s *shop) {
		r := apply(s, s.add.S(1, 1)) // and no worker
		for _, within := range []time.Duration{50 * time.Millisecond, 0, -time.Second, 90 * time.Second} {
			ctx, cancel := context.WithTimeout(s.ctx, within)
			start := time.Now()
			_, err := r.Get(ctx)
			cancel()
			if took := time.Since(start); took != max(within, 0) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("with %v to go, Get gave %v after %v", within, err, took)
			}
		}
		is(s, r, workers.Pending)
	})
}

// An id that was never given is told from a task that waits, and from one that was
// forgotten or whose record has expired, for as long as that is remembered.
func TestWhatNobodyKnowsIsNotPending(t *testing.T) {
	bubble(t, func(*shop) {}, func(s *shop) {
		forgotten, expires := apply(s, s.add.S(1, 1)), apply(s, s.add.S(1, 1), workers.ResultExpires(time.Second))
		stop := s.work(workers.WorkerConfig{})
		for _, r := range []*workers.Result[int]{forgotten, expires} {
			if _, err := r.Get(s.ctx); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		if err := forgotten.Forget(s.ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		waits := apply(s, s.add.S(1, 1))
		is(s, waits, workers.Pending)
		for id, why := range map[string]string{"never-given": "", forgotten.ID(): "forgotten", expires.ID(): "expired"} {
			r, err := workers.ResultOf[int](s.App, id)
			if err != nil {
				t.Fatal(err)
			}
			is(s, r, workers.Unknown)
			if _, err := r.Info(s.ctx); !errors.Is(err, workers.ErrUnknown) || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: got %v, want it unknown, and %s", id, err, why)
			}
		}
	})
}

// A result that nobody asks for is kept where it is handed on, and nowhere else.
func TestAnIgnoredResultIsKeptWhereItIsHandedOn(t *testing.T) {
	bubble(t, func(*shop) {}, func(s *shop) {
		handsOn := s.ident.S(7).With(workers.IgnoreResult(), workers.ID("hands-on"))
		last := s.show.P("shown").With(workers.IgnoreResult(), workers.ID("last"))
		apply(s, workers.Chain2(handsOn, last))
		stop := s.work(workers.WorkerConfig{})
		if got := s.await(1)[0]; got != "7 shown" {
			t.Errorf("noted %q, want that 7 was handed on", got)
		}
		stop()
		for id, want := range map[string]workers.State{"hands-on": workers.Succeeded, "last": workers.Unknown} {
			r, err := workers.ResultOf[int](s.App, id)
			if err != nil {
				t.Fatal(err)
			}
			is(s, r, want)
		}
	})
}

// Who asks for the first time after the record has expired is not kept waiting.
func TestTheFirstToAskMayBeLate(t *testing.T) {
	bubble(t, func(*shop) {}, func(s *shop) {
		late := apply(s, s.add.S(1, 1), workers.ResultExpires(time.Second))
		stop := s.work(workers.WorkerConfig{})
		time.Sleep(10 * time.Second)
		stop()
		if _, err := late.Get(s.ctx); !errors.Is(err, workers.ErrUnknown) {
			t.Errorf("got %v, want %v", err, workers.ErrUnknown)
		}
	})
}

// A client hears what becomes of the tasks that it sends once it has waited for one.
func TestNobodyIsToldWhoNeverWaits(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	client, worker := newShop(t), newShop(t)
	client.connect(server.Connect(t), workers.Config{})
	worker.connect(server.Connect(t), workers.Config{})
	worker.work(workers.WorkerConfig{})
	// heardOnce is how many messages come to the client while a task is sent and run: now
	// and then one for the session itself is among them.
	heardOnce := func() uint64 {
		before := client.conn.Stats().InMsgs
		sent := apply(client, client.add.S(1, 1))
		r, err := workers.ResultOf[int](worker.App, sent.ID())
		if err == nil {
			_, err = r.Get(worker.ctx)
		}
		if err == nil {
			err = client.conn.FlushWithContext(client.ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		return client.conn.Stats().InMsgs - before
	}
	const tasks = 10
	heard := func() uint64 {
		least := heardOnce()
		for range tasks - 1 {
			least = min(least, heardOnce())
		}
		return least
	}
	apply(client, client.add.S(1, 1)) // after it, the queue is known
	const confirms = 2                // of a task and of its record
	if got := heard(); got != confirms {
		t.Errorf("%d messages came to who has not waited yet, want %d", got, confirms)
	}
	run(client, client.add.S(1, 1))
	before := client.conn.Stats().InMsgs
	if got := heard(); got > confirms+1 {
		t.Errorf("%d messages came to who has waited, want %d", got, confirms+1)
	}
	// What it is told of a task may come behind the flush, and is counted for the next.
	client.until("who has waited is told of each task", func() bool {
		return client.conn.Stats().InMsgs-before >= tasks*(confirms+1)
	})
}

// The first to wait for a task waits on while the broker is away.
func TestTheFirstToWaitOutlivesTheBroker(t *testing.T) {
	t.Parallel()
	broker := embeddedtest.Process(t, embedded.Config{SyncAlways: true})
	s := newShop(t)
	s.connect(broker.Connect(t), workers.Config{})
	sent := apply(s, s.add.S(1, 1))
	broker.Kill(t)
	got := make(chan error, 1)
	go func() {
		n, err := sent.Get(s.ctx)
		if err == nil && n != 2 {
			err = fmt.Errorf("got %d, want 2", n)
		}
		got <- err
	}()
	broker.Restart(t)
	s.work(workers.WorkerConfig{})
	if err := <-got; err != nil {
		t.Error(err)
	}
}
