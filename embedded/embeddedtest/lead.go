package embeddedtest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// asking is what a cluster is asked with, and for how long.
func asking(tb testing.TB, nc *nats.Conn) (context.Context, context.CancelFunc, jetstream.JetStream) {
	tb.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	return ctx, cancel, js
}

// Leader is the name of the server that leads a stream.
func Leader(tb testing.TB, nc *nats.Conn, stream string) string {
	tb.Helper()
	ctx, cancel, js := asking(tb, nc)
	defer cancel()
	s, err := js.Stream(ctx, stream)
	if err != nil {
		tb.Fatalf("ask who leads stream %q: %v", stream, err)
	}
	return s.CachedInfo().Cluster.Leader
}

// Lead has one server of a cluster lead every stream and consumer that has
// replicas, so that nothing has a leader once it is killed. The connection is to
// any of the servers.
func Lead(tb testing.TB, nc *nats.Conn, server string) {
	tb.Helper()
	ctx, cancel, js := asking(tb, nc)
	defer cancel()
	for {
		others, err := ledByOthers(ctx, js, server)
		if err == nil && len(others) == 0 {
			return
		}
		for _, what := range others {
			err = errors.Join(err, handOver(ctx, nc, what, server))
		}
		if ctx.Err() != nil {
			tb.Fatalf("%s does not lead %q: %v", server, others, err)
		}
	}
}

// ledByOthers names streams, and consumers behind their stream, as requests for
// their leader to step down do. Each is looked at by itself: a list waits for
// seconds for those that have no leader yet.
func ledByOthers(ctx context.Context, js jetstream.JetStream, server string) (others []string, err error) {
	note := func(what string, cluster *jetstream.ClusterInfo) {
		if cluster != nil && len(cluster.Replicas) > 0 && cluster.Leader != server {
			others = append(others, what)
		}
	}
	list := js.StreamNames(ctx)
	for name := range list.Name() {
		stream, err := soon(ctx, func(ctx context.Context) (jetstream.Stream, error) { return js.Stream(ctx, name) })
		if err != nil {
			return others, err
		}
		note("STREAM.LEADER.STEPDOWN."+name, stream.CachedInfo().Cluster)
		consumers := stream.ConsumerNames(ctx)
		for reader := range consumers.Name() {
			c, err := soon(ctx, func(ctx context.Context) (jetstream.Consumer, error) { return stream.Consumer(ctx, reader) })
			if err != nil {
				return others, err
			}
			note("CONSUMER.LEADER.STEPDOWN."+name+"."+reader, c.CachedInfo().Cluster)
		}
		if err := consumers.Err(); err != nil {
			return others, err
		}
	}
	return others, list.Err()
}

// handOver asks a leader to step down for a server; whether that follows it is
// looked at again.
func handOver(ctx context.Context, nc *nats.Conn, what, server string) error {
	body, err := json.Marshal(map[string]any{"placement": map[string]string{"preferred": server}})
	if err != nil {
		return err
	}
	_, err = soon(ctx, func(ctx context.Context) (*nats.Msg, error) {
		return nc.RequestWithContext(ctx, "$JS.API."+what, body)
	})
	return err
}

// soon asks what is not answered while there is no leader.
func soon[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	return ask(ctx)
}
