package embeddedtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
)

// Nodes are the servers of a cluster, in this process, each with a port and
// data of its own. Stop and Restart them one by one; see [Server].
type Nodes []*Server

// Cluster starts a cluster of n servers for this test alone, three as a rule and
// two at least, and returns once each of them can do its work. They are stopped
// when the test ends.
func Cluster(tb testing.TB, n int) Nodes {
	tb.Helper()
	var nodes Nodes
	for _, cfg := range clusterConfigs(tb, n) {
		nodes = append(nodes, Start(tb, cfg))
	}
	nodes.Wait(tb)
	return nodes
}

// clusterConfigs are those of servers that know each other, node-1 and so on.
func clusterConfigs(tb testing.TB, n int) []embedded.Config {
	tb.Helper()
	if n < 2 {
		tb.Fatalf("a cluster of %d: two servers at least, or use Listen", n)
	}
	configs := make([]embedded.Config, n)
	var routes []string
	for i := range configs {
		port := Port(tb)
		configs[i] = embedded.Config{
			Name:    fmt.Sprintf("node-%d", i+1),
			Port:    embedded.RandomPort,
			Cluster: embedded.Cluster{Port: port},
		}
		routes = append(routes, net.JoinHostPort(loopback, strconv.Itoa(port)))
	}
	for i := range configs {
		configs[i].Cluster.Routes = routes
	}
	return configs
}

// Wait returns once every server that is not stopped can do its work: it has all
// that it should have, and a stream may have a replica on each of them. Call it
// after a Restart.
func (n Nodes) Wait(tb testing.TB) {
	tb.Helper()
	nc := n.Connect(tb)
	defer nc.Close()
	ctx, cancel, js := asking(tb, nc)
	defer cancel()
	for _, s := range n {
		if err := s.ready(ctx); err != nil {
			tb.Fatalf("%s: %v", s.Name(), err)
		}
	}
	untilReady(ctx, tb, func(ctx context.Context) error { return n.lag(ctx, js) })
	untilReady(ctx, tb, func(ctx context.Context) error { return place(ctx, js, n.running()) })
}

// untilReady tries again until it works, or ctx is done.
func untilReady(ctx context.Context, tb testing.TB, works func(context.Context) error) {
	tb.Helper()
	for {
		// What a server without a leader is asked is not always answered.
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		err := works(attempt)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("the cluster is not ready: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// lag is what the streams' leaders have and a running server has not. A server
// itself may not know yet how far behind it is.
func (n Nodes) lag(ctx context.Context, js jetstream.JetStream) error {
	streams := js.ListStreams(ctx)
	var behind error
	for info := range streams.Info() {
		if info.Cluster == nil || info.Cluster.Leader == "" {
			behind = fmt.Errorf("stream %q has no leader", info.Config.Name)
			continue
		}
		for _, r := range info.Cluster.Replicas {
			if !r.Current && n.runs(r.Name) {
				behind = fmt.Errorf("stream %q: %s is %d operations behind", info.Config.Name, r.Name, r.Lag)
			}
		}
	}
	return errors.Join(streams.Err(), behind)
}

func (n Nodes) running() (count int) {
	for _, s := range n {
		if s.running.Load() != nil {
			count++
		}
	}
	return count
}

// place makes a stream with a replica on every running server, and deletes it.
// The leader may have caught up with the others and not know yet what it may put
// on them; it tells nobody until it is asked to.
func place(ctx context.Context, js jetstream.JetStream, running int) error {
	const name, most = "embeddedtest-place", 5
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:     name,
		Storage:  jetstream.MemoryStorage,
		Replicas: min(running, most),
	})
	if err != nil {
		return err
	}
	return js.DeleteStream(ctx, name)
}

func (n Nodes) runs(name string) bool {
	return slices.ContainsFunc(n, func(s *Server) bool { return s.Name() == name && s.running.Load() != nil })
}

// URL is all servers' URLs with commas between, as a client takes them.
func (n Nodes) URL() string { return urlOf(n) }

func urlOf[S interface{ URL() string }](servers []S) string {
	urls := make([]string, len(servers))
	for i, s := range servers {
		urls[i] = s.URL()
	}
	return strings.Join(urls, ",")
}

// Connect connects to any of the servers and goes to another when that one
// stops. The connection is closed when the test ends.
func (n Nodes) Connect(tb testing.TB, opts ...nats.Option) *nats.Conn {
	tb.Helper()
	return connect(tb, n.URL(), n[0].cfg, opts...)
}

// Named is the server of that name, for example the leader that a stream's
// cluster information names.
func (n Nodes) Named(tb testing.TB, name string) *Server {
	tb.Helper()
	return named(tb, n, name)
}

func named[S interface{ Name() string }](tb testing.TB, servers []S, name string) S {
	tb.Helper()
	i := slices.IndexFunc(servers, func(s S) bool { return s.Name() == name })
	if i < 0 {
		tb.Fatalf("no server is named %q", name)
	}
	return servers[i]
}
