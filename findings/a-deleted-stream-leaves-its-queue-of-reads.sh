#!/usr/bin/env bash
# Guess: a stream that is made and deleted again costs the server nothing afterwards, so
# a program may make one for each reply queue or test for as long as it likes.
# Truth: of the five queues that the server makes for a stream, it takes four off its list
# when the stream is deleted. The fifth, of direct reads, stays until the server ends,
# also where the stream does not allow direct reads: about ten objects a stream.
# Versions: nats-server 2.15.2, nats.go 1.55.0.
# Source: the server's list of its queues (the monitoring endpoint /ipqueuesz) in the run
# below.
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
	"runtime"
	"strings"
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

func objects() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapObjects
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
	const streams = 1000
	before := uint64(0)
	for i := range streams + 100 {
		if i == 100 {
			before = objects()
		}
		name := fmt.Sprint("S", i)
		must(js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}, Storage: jetstream.MemoryStorage}))
		if err := js.DeleteStream(ctx, name); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Fprintln(os.Stderr, "objects a stream:", float64(objects()-before)/streams)
	left, others := 0, 0
	for name := range *s.Ipqueuesz(&server.IpqueueszOptions{All: true}) {
		switch {
		case strings.HasSuffix(name, "direct gets"):
			left++
		case strings.Contains(name, "stream '"):
			others++
		}
	}
	fmt.Printf("%d streams were made and deleted: %d queues of direct reads are left, and %d others\n", streams+100, left, others)
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
want="1100 streams were made and deleted: 1100 queues of direct reads are left, and 0 others"
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
