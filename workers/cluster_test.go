package workers_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// tasksStream is the stream of the store of tasks.
const tasksStream = "warren~v~tasks"

// TestTasksOutliveALeader: of three servers with three replicas, the one that leads
// the store of results stops under load, and nobody who waits notices.
func TestTasksOutliveALeader(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.Cluster(t, 3)
	wait := nats.ReconnectWait(20 * time.Millisecond)
	l := newLoad(t, nodes.Connect(t, wait), workers.Config{Replicas: 3, Lease: 3 * time.Second})
	l.works("one")
	l.works("other")
	const calls = 60
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(calls)
	}()
	l.after(calls / 3)
	leader := embeddedtest.Leader(t, nodes.Connect(t), tasksStream)
	t.Logf("stopping %s, the leader of the store", leader)
	nodes.Named(t, leader).Stop(t)
	<-done
	t.Log(l.report())
}

// TestTasksOutliveAKilledLeader: of three servers in processes of their own, the one
// that leads the store of results is killed with -9 under load, and nobody who
// waits notices.
func TestTasksOutliveAKilledLeader(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.ProcessCluster(t, 3)
	l := newLoad(t, nodes.Connect(t), workers.Config{Replicas: 3, Lease: 3 * time.Second})
	l.works("one")
	l.works("other")
	const calls = 60
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(calls)
	}()
	l.after(calls / 3)
	leader := embeddedtest.Leader(t, nodes.Connect(t), tasksStream)
	t.Logf("killing %s, the leader of the store", leader)
	nodes.Named(t, leader).Kill(t)
	<-done
	t.Log(l.report())
}

// TestAWorkerDiesWithALeader: a worker and the server that leads its queue, and all
// else, are killed with -9 in the same moment, and another worker finishes.
func TestAWorkerDiesWithALeader(t *testing.T) {
	t.Parallel()
	for _, d := range []death{
		{workers.PointRan, 1, "after the run", nil, effectsOfChord("a", 2)},
		{workers.PointRecorded, 1, "after the result was recorded", nil, effectsOfChord()},
		{workers.PointFilled, 2, "after the last slot was filled", nil, effectsOfChord()},
		{workers.PointSent, 3, "after the body of the chord was published", nil, effectsOfChord()},
	} {
		t.Run(d.when, func(t *testing.T) {
			t.Parallel()
			d.testWithALeader(t)
		})
	}
}

func (d death) testWithALeader(t *testing.T) {
	t.Helper()
	nodes := embeddedtest.ProcessCluster(t, 3)
	y := newYard(t, nodes.Connect(t), workers.Config{Replicas: 3, Lease: 2 * time.Second})
	victim := y.hire(order{Name: "victim", Concurrency: 1, Point: d.point, Nth: d.nth})
	const leader = "node-1"
	embeddedtest.Lead(t, y.conn, leader)
	finish := make(chan struct{})
	go func() {
		defer close(finish)
		y.applyChord()
	}()
	victim.await(y.ctx)
	nodes.Named(t, leader).Kill(t)
	died := time.Now()
	stop := y.work(workers.WorkerConfig{Name: "heir", Concurrency: 4})
	began := time.Since(died)
	<-finish
	t.Logf("the heir began after %v, and the chord had ended after %v",
		began.Round(time.Millisecond), time.Since(died).Round(time.Millisecond))
	y.untilEmpty("celery")
	stop()
	y.wantEffectsAgain(d.want, d.beside())
	states := y.states()
	if len(states) != len(d.want) {
		t.Errorf("recorded are %v, want %d tasks", states, len(d.want))
	}
	for id, state := range states {
		if state != workers.Succeeded {
			t.Errorf("task %s is %s, want it %s", id, state, workers.Succeeded)
		}
	}
}
