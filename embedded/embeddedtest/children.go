package embeddedtest

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

// Children are the servers of a cluster, each in a process of its own that a test
// can kill; see [Child].
type Children []*Child

// ProcessCluster is [Cluster] with each server in a process of its own, for which
// TestMain must call [Main].
func ProcessCluster(tb testing.TB, n int) Children {
	tb.Helper()
	return processCluster(tb, clusterConfigs(tb, n))
}

// HastyCluster is [ProcessCluster] with servers that give each other up soon, for
// [Children.CutOff].
func HastyCluster(tb testing.TB, n int) Children {
	tb.Helper()
	configs := clusterConfigs(tb, n)
	for i := range configs {
		configs[i].Cluster.Patience = 300 * time.Millisecond
	}
	return processCluster(tb, configs)
}

func processCluster(tb testing.TB, configs []embedded.Config) Children {
	tb.Helper()
	var servers Children
	for _, cfg := range configs {
		servers = append(servers, Process(tb, cfg))
	}
	nc := servers.Connect(tb)
	defer nc.Close()
	ctx, cancel, js := asking(tb, nc)
	defer cancel()
	untilReady(ctx, tb, func(ctx context.Context) error { return place(ctx, js, len(configs)) })
	return servers
}

// URL is all servers' URLs with commas between, as a client takes them.
func (c Children) URL() string { return urlOf(c) }

// Connect connects to any of the servers, in their order with [nats.DontRandomize],
// and goes to another when that one is gone. The connection is closed when the test
// ends.
func (c Children) Connect(tb testing.TB, opts ...nats.Option) *nats.Conn {
	tb.Helper()
	return connect(tb, c.URL(), c[0].cfg, opts...)
}

// Named is the server of that name; see [Leader].
func (c Children) Named(tb testing.TB, name string) *Child {
	tb.Helper()
	return named(tb, c, name)
}
