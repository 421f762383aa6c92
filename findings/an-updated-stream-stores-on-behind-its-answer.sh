#!/usr/bin/env bash
# Guess: once the server has answered the update that takes a subject away from a stream,
# the stream's last sequence is final: what comes to the subject from then on finds nobody.
# Truth: it is answered when the stream does not listen there any more. What came before and
# waits to be stored is stored afterwards, and confirmed to its publisher, so the last
# sequence goes on. A message to a subject that the stream does have waits behind it: after
# its answer the last sequence is final.
# Versions: nats-server 2.15.3, nats.go 1.55.0.
# Source: the run below; server/stream.go: processInboundJetStreamMsg only queues a message,
# and internalLoop stores it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func main() {
	ctx := context.Background()
	s := must(server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: os.Args[1]}))
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		log.Fatal("the server did not start")
	}
	defer s.Shutdown()
	admin := must(jetstream.New(must(nats.Connect(s.ClientURL()))))
	cfg := jetstream.StreamConfig{
		Name: "EVENTS", Subjects: []string{"events", "control"}, Storage: jetstream.MemoryStorage,
		Retention: jetstream.InterestPolicy,
	}
	stream := must(admin.CreateStream(ctx, cfg))
	for i := range 500 { // which make it slow to store a message
		must(stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: "c" + strconv.Itoa(i), FilterSubject: "events", AckPolicy: jetstream.AckExplicitPolicy,
		}))
	}
	last := func() uint64 { return must(stream.Info(ctx)).State.LastSeq }

	nc := must(nats.Connect(s.ClientURL()))
	js := must(jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(20000)))
	var confirms []jetstream.PubAckFuture
	for range 20000 {
		confirms = append(confirms, must(js.PublishAsync("events", nil)))
	}
	_ = nc.Flush() // the server has read all of them

	cfg.Subjects = []string{"control"}
	stream = must(admin.UpdateStream(ctx, cfg))
	answered := stream.CachedInfo().State.LastSeq
	must(admin.Publish(ctx, "control", nil))
	behind := last()
	<-js.PublishAsyncComplete()
	confirmed := uint64(0)
	for _, f := range confirms {
		select {
		case ack := <-f.Ok():
			confirmed = max(confirmed, ack.Sequence)
		default:
		}
	}
	fmt.Println("confirmed beyond the last sequence of the update's answer:", confirmed > answered)
	fmt.Println("confirmed beyond the last sequence after a message behind:", confirmed > behind)
}
GO
cat >go.mod <<'MOD'
module finding

go 1.25.0

require (
	github.com/nats-io/nats-server/v2 v2.15.3
	github.com/nats-io/nats.go v1.55.0
)
MOD
go mod tidy >/dev/null 2>&1
got=$(go run . "$dir/data")
want="confirmed beyond the last sequence of the update's answer: true
confirmed beyond the last sequence after a message behind: false"
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
