#!/usr/bin/env bash
# Guess: a message that a JetStream consumer was told to deliver again (NAK) is ready from
# then on, and a restart of the server changes nothing of that: the stream is on disk, and
# so is the consumer's state.
# Truth: the NAK is kept in memory alone. After a restart in good order the message counts
# as unacknowledged again, and nobody gets it until the rest of the AckWait has passed
# that began with its first delivery: here six seconds where it would have been at once.
# A message that waits behind it overtakes it meanwhile.
# Versions: nats-server 2.15.2, nats.go 1.55.0.
# Source: the run below; the documentation of acknowledgements speaks of no restart.
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

const ackWait = 6 * time.Second

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

// next takes a message, and says which and whether it came within two seconds.
func (b broker) next(ctx context.Context) (what string, msg jetstream.Msg) {
	began := time.Now()
	consumer := must(b.js.Consumer(ctx, "JOBS", "workers"))
	for {
		for msg := range must(consumer.Fetch(1, jetstream.FetchMaxWait(time.Second))).Messages() {
			when := "at once"
			if time.Since(began) > 2*time.Second {
				when = "later"
			}
			return fmt.Sprintf("%s %s", msg.Data(), when), msg
		}
	}
}

func main() {
	ctx := context.Background()
	for _, restart := range []bool{false, true} {
		dir := os.Args[1] + fmt.Sprint(restart)
		b := start(dir)
		must(b.js.CreateStream(ctx, jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs"}}))
		must(b.js.CreateConsumer(ctx, "JOBS", jetstream.ConsumerConfig{Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait}))
		must(b.js.Publish(ctx, "jobs", []byte("one")))
		must(b.js.Publish(ctx, "jobs", []byte("two")))
		_, msg := b.next(ctx)
		if err := msg.Nak(); err != nil {
			log.Fatal(err)
		}
		if err := b.nc.Flush(); err != nil {
			log.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		pending := must(must(b.js.Consumer(ctx, "JOBS", "workers")).Info(ctx))
		if restart {
			b.stop()
			b = start(dir)
		}
		first, _ := b.next(ctx)
		second, _ := b.next(ctx)
		fmt.Printf("restart %t (%d unacknowledged before): %s, %s\n", restart, pending.NumAckPending, first, second)
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
want="restart false (1 unacknowledged before): one at once, two at once
restart true (1 unacknowledged before): two at once, one later"
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
