package workers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

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
