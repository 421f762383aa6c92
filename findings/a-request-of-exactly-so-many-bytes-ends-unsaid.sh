#!/usr/bin/env bash
# Guess: a pull request with max_bytes, of more messages than fit, ends with status 409
# ("Message Size Exceeds MaxBytes") when the next message does not fit any more; this is
# how a client learns that it may ask again.
# Truth: that is so where some bytes are left. A request that the last message uses up to
# the very byte is over, too, and the server says nothing: no 409, no 408 when it would
# have expired, and no heartbeat any more, which it asks for here each second. Messages of
# one size meet this whenever the bound is a multiple of it. The size of a message is that
# of subject, reply subject, headers and payload, so the name of the consumer counts.
# Versions: nats-server 2.15.2, nats.go 1.55.0.
# Source: the run below; ADR-13 describes max_bytes and the 409.
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

const expires = 3 * time.Second

// pull asks for ten messages of so many bytes, and tells what comes until a while after
// the request has expired.
func pull(nc *nats.Conn, consumer string, bytes int) (size int, came []string) {
	inbox := nc.NewInbox()
	sub := must(nc.SubscribeSync(inbox))
	request := fmt.Sprintf(`{"batch":10,"max_bytes":%d,"expires":%d,"idle_heartbeat":%d}`, bytes, expires, time.Second)
	if err := nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.JOBS."+consumer, inbox, []byte(request)); err != nil {
		log.Fatal(err)
	}
	for end := time.Now().Add(expires + 2*time.Second); ; {
		msg, err := sub.NextMsg(time.Until(end))
		if err != nil {
			return size, came
		}
		if status := msg.Header.Get("Status"); status != "" {
			came = append(came, status)
			continue
		}
		size = len(msg.Subject) + len(msg.Reply) + len(msg.Data)
		came = append(came, "message")
	}
}

func main() {
	ctx := context.Background()
	s := must(server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: os.Args[1]}))
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		log.Fatal("the server did not start")
	}
	nc := must(nats.Connect(s.ClientURL()))
	js := must(jetstream.New(nc))
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs"}}))
	for range 4 {
		must(js.Publish(ctx, "jobs", make([]byte, 1000)))
	}
	for _, name := range []string{"probe", "short", "exact"} {
		must(js.CreateConsumer(ctx, "JOBS", jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy}))
	}
	size, _ := pull(nc, "probe", 1500)
	_, short := pull(nc, "short", 2*size+1)
	_, exact := pull(nc, "exact", 2*size)
	fmt.Println("a byte is left:", short)
	fmt.Println("none is left:", exact)
	nc.Close()
	s.Shutdown()
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
want="a byte is left: [message message 409]
none is left: [message message]"
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
