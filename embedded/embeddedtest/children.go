package embeddedtest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Children are the servers of a cluster, each in a process of its own that a test
// can kill; see [Child].
type Children []*Child

// ProcessCluster is [Cluster] with each server in a process of its own, for which
// TestMain must call [Main].
func ProcessCluster(tb testing.TB, n int) Children {
	tb.Helper()
	var servers Children
	for _, cfg := range clusterConfigs(tb, n) {
		servers = append(servers, Process(tb, cfg))
	}
	nc := servers.Connect(tb)
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	untilReady(ctx, tb, func(ctx context.Context) error { return place(ctx, js, n) })
	return servers
}

// URL is all servers' URLs with commas between, as a client takes them.
func (c Children) URL() string {
	urls := make([]string, len(c))
	for i, server := range c {
		urls[i] = server.URL()
	}
	return strings.Join(urls, ",")
}

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
	i := slices.IndexFunc(c, func(server *Child) bool { return server.Name() == name })
	if i < 0 {
		tb.Fatalf("no server is named %q", name)
	}
	return c[i]
}
