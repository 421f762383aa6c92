#!/usr/bin/env bash
# Guess: a message that no consumer of an interest stream wanted was never stored, so
# publishing it again with the same Nats-Msg-Id, once somebody is interested, stores
# and delivers it.
# Truth: the publish without interest is answered with an ordinary PubAck, nothing is
# stored, and the id is remembered all the same. The second publish is answered with
# duplicate: true, and the consumer that now exists gets nothing.
# Versions: nats-server 2.15.2, nats.go 1.55.0.
# Source: what the server answers in the run below; the documentation of retention
# policies and of message deduplication do not speak of each other.
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
	s := must(server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: os.Args[1]}))
	go s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		log.Fatal("the server did not start")
	}
	nc := must(nats.Connect("", nats.InProcessServer(s)))
	defer nc.Close()
	ctx := context.Background()
	js := must(jetstream.New(nc))
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "LOGS", Subjects: []string{"logs"}, Retention: jetstream.InterestPolicy, Duplicates: time.Minute,
	}))
	first := must(js.Publish(ctx, "logs", []byte("hello"), jetstream.WithMsgID("one")))
	kept := must(stream.Info(ctx)).State.Msgs
	consumer := must(stream.CreateConsumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy}))
	second := must(js.Publish(ctx, "logs", []byte("hello"), jetstream.WithMsgID("one")))
	got := 0
	for range must(consumer.Fetch(1, jetstream.FetchMaxWait(time.Second))).Messages() {
		got++
	}
	third := must(js.Publish(ctx, "logs", []byte("hello"), jetstream.WithMsgID("two")))
	for range must(consumer.Fetch(1, jetstream.FetchMaxWait(5*time.Second))).Messages() {
		got += 10
	}
	fmt.Printf("without interest: duplicate %v, %d stored; again with interest: duplicate %v; with another id: duplicate %v; delivered of the one and the other: %02d\n",
		first.Duplicate, kept, second.Duplicate, third.Duplicate, got)
}
GO
cat >go.mod <<'MOD'
module finding

go 1.25.0

require (
	github.com/nats-io/nats-server/v2 v2.15.2
	github.com/nats-io/nats.go v1.55.0
)
MOD
go mod tidy >/dev/null 2>&1
got=$(go run . "$dir/data")
want="without interest: duplicate false, 0 stored; again with interest: duplicate true; with another id: duplicate false; delivered of the one and the other: 10"
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
