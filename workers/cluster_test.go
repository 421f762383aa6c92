package workers_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/workers"
)

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
	leader := storeLeader(l.ctx, t, nodes.Connect(t, wait))
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
	nodes := processes(t, 3)
	l := newLoad(t, connectAll(t, nodes), workers.Config{Replicas: 3, Lease: 3 * time.Second})
	l.works("one")
	l.works("other")
	const calls = 60
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(calls)
	}()
	l.after(calls / 3)
	leader := storeLeader(l.ctx, t, connectAll(t, nodes))
	t.Logf("killing %s, the leader of the store", leader)
	nodes[leader].Kill(t)
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
	nodes := processes(t, 3)
	y := newYard(t, connectAll(t, nodes), workers.Config{Replicas: 3, Lease: 2 * time.Second})
	victim := y.hire(order{Name: "victim", Concurrency: 1, Point: d.point, Nth: d.nth})
	const leader = "node-1"
	embeddedtest.Lead(t, y.conn, leader)
	finish := make(chan struct{})
	go func() {
		defer close(finish)
		y.applyChord()
	}()
	victim.await(y.ctx)
	nodes[leader].Kill(t)
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

// processes starts the servers of a cluster by name, each a process to kill.
func processes(t *testing.T, n int) map[string]*embeddedtest.Child {
	t.Helper()
	configs := make([]embedded.Config, n)
	var routes []string
	for i := range configs {
		port := embeddedtest.Port(t)
		configs[i] = embedded.Config{Name: "node-" + strconv.Itoa(i+1), Cluster: embedded.Cluster{Port: port}}
		routes = append(routes, "127.0.0.1:"+strconv.Itoa(port))
	}
	nodes := make(map[string]*embeddedtest.Child)
	for _, cfg := range configs {
		cfg.Cluster.Routes = routes
		nodes[cfg.Name] = embeddedtest.Process(t, cfg)
	}
	js, err := jetstream.New(connectAll(t, nodes))
	if err != nil {
		t.Fatal(err)
	}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "ready", Storage: jetstream.MemoryStorage, Replicas: n})
		cancel()
		if err == nil {
			return nodes
		}
		if t.Context().Err() != nil {
			t.Fatalf("the cluster does not begin: %v", err)
		}
	}
}

// connectAll connects to whichever of the servers are there.
func connectAll(t *testing.T, nodes map[string]*embeddedtest.Child) *nats.Conn {
	t.Helper()
	var urls []string
	for _, node := range nodes {
		urls = append(urls, node.URL())
	}
	nc, err := nats.Connect(strings.Join(urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// storeLeader is the server that leads the stream of the store of tasks.
func storeLeader(ctx context.Context, t *testing.T, nc *nats.Conn) string {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	list := js.ListStreams(ctx)
	for info := range list.Info() {
		if info.Cluster != nil && strings.HasSuffix(info.Config.Name, "~tasks") {
			return info.Cluster.Leader
		}
	}
	t.Fatalf("the store of tasks has no leader: %v", list.Err())
	return ""
}
