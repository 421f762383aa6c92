#!/usr/bin/env bash
# Guess: Nats-TTL says how long one message lives, whatever the stream's other
# settings are; SubjectDeleteMarkerTTL says how long the marker lives that the server
# leaves behind it.
# Truth: that holds in a stream of one message a subject. With any other limit a
# message with Nats-TTL 1s lives for as long as SubjectDeleteMarkerTTL says: the server
# raises the TTL in silence, and the header that is read back says the raised value.
# Versions: nats-server 2.15.2, nats.go 1.55.0.
# Source: what is stored in the run below.
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
	for _, perSubject := range []int64{1, 5, -1} {
		name := fmt.Sprintf("S%d", perSubject+1)
		stream := must(js.CreateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{name + ".>"}, MaxMsgsPerSubject: perSubject,
			AllowMsgTTL: true, AllowRollup: true, SubjectDeleteMarkerTTL: time.Minute,
		}))
		ack := must(js.Publish(ctx, name+".a", nil, jetstream.WithMsgTTL(time.Second)))
		stored := must(stream.GetMsg(ctx, ack.Sequence)).Header.Get("Nats-TTL")
		time.Sleep(2500 * time.Millisecond)
		_, err := stream.GetMsg(ctx, ack.Sequence)
		fmt.Printf("%d a subject: stored with TTL %s, there after 2.5 s: %v\n", perSubject, stored, err == nil)
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
want='1 a subject: stored with TTL 1s, there after 2.5 s: false
5 a subject: stored with TTL 60, there after 2.5 s: true
-1 a subject: stored with TTL 60, there after 2.5 s: true'
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
