#!/usr/bin/env bash
# Guess: a stream whose acknowledged messages are to go (retention "interest" or
# "workqueue") is made to agree with its consumers when the server starts: where the
# removal of a message was lost, and the ack was not, the message goes then.
# Truth: an interest stream is. A work-queue stream keeps the message for good: it counts
# as stored, no consumer has it pending, and nobody is ever given it. It goes only if it is
# purged or deleted. Here the removals are lost by putting back the stream's files of
# before the acks, as a backup of them would; a disk that was full left the same.
# Versions: nats-server 2.15.2, nats.go 1.55.0.
# Source: the run below; nats-server issue 3612 is why interest streams are looked at.
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
	"path/filepath"
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

func check(err error) { must(0, err) }

type broker struct {
	*server.Server
	nc *nats.Conn
	js jetstream.JetStream
}

func start(dir string) broker {
	s := must(server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir}))
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		log.Fatal("the server did not start")
	}
	nc := must(nats.Connect(s.ClientURL()))
	return broker{s, nc, must(jetstream.New(nc))}
}

func (b broker) stop() {
	b.nc.Close()
	b.Shutdown()
	b.WaitForShutdown()
}

// fetch takes what is there and acknowledges it.
func (b broker) fetch(ctx context.Context) (n int) {
	consumer := must(b.js.Consumer(ctx, "JOBS", "workers"))
	for msg := range must(consumer.Fetch(10, jetstream.FetchMaxWait(2*time.Second))).Messages() {
		check(msg.DoubleAck(ctx))
		n++
	}
	return n
}

func main() {
	ctx := context.Background()
	for _, retention := range []jetstream.RetentionPolicy{jetstream.InterestPolicy, jetstream.WorkQueuePolicy} {
		dir := filepath.Join(os.Args[1], retention.String())
		files := filepath.Join(dir, "jetstream", "$G", "streams", "JOBS", "msgs")
		backup := filepath.Join(dir, "backup")
		b := start(dir)
		must(b.js.CreateStream(ctx, jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs"}, Retention: retention}))
		must(b.js.CreateConsumer(ctx, "JOBS", jetstream.ConsumerConfig{Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy}))
		for range 3 {
			must(b.js.Publish(ctx, "jobs", nil))
		}
		b.stop()
		check(os.CopyFS(backup, os.DirFS(files)))

		b = start(dir)
		acked := b.fetch(ctx)
		b.stop()
		check(os.RemoveAll(files))
		check(os.CopyFS(files, os.DirFS(backup)))

		b = start(dir)
		stored := must(must(b.js.Stream(ctx, "JOBS")).Info(ctx)).State.Msgs
		pending := must(must(b.js.Consumer(ctx, "JOBS", "workers")).Info(ctx))
		fmt.Printf("%v: %d acknowledged; after the restart %d stored, %d pending, %d unacknowledged, %d fetched\n",
			retention, acked, stored, pending.NumPending, pending.NumAckPending, b.fetch(ctx))
		b.stop()
	}
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
want="Interest: 3 acknowledged; after the restart 0 stored, 0 pending, 0 unacknowledged, 0 fetched
WorkQueue: 3 acknowledged; after the restart 3 stored, 0 pending, 0 unacknowledged, 0 fetched"
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
