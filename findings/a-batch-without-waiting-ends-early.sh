#!/usr/bin/env bash
# Guess: FetchNoWait of nats.go's jetstream package ends when the server says that there
# is nothing more, or with an error; what the server has sent is then in the batch, or
# comes with the next one.
# Truth: it also ends, without an error, when nothing of it has come for one second. On a
# line that stands still for longer, the batch is empty, Error is nil, and what the server
# has sent by then is thrown away as it arrives. A consumer that acknowledges nothing
# (AckNone) does not get it again: its records are lost to the reader, and only the
# consumer's own count shows it. Fetch with a longer FetchMaxWait waits for them.
# Versions: nats.go 1.55.0, nats-server 2.15.2.
# Source: the run below; the comment of FetchNoWait says that it takes what is there at
# the time of the request, and does not speak of a time.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
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

// A line is a connection to the server that stands still, downwards, for two seconds
// after each request for messages.
type line struct {
	net.Conn
	mu    sync.Mutex
	until time.Time
}

func (l *line) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	l.Conn = conn
	return l, err
}

func (l *line) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("CONSUMER.MSG.NEXT")) {
		l.mu.Lock()
		l.until = time.Now().Add(2 * time.Second)
		l.mu.Unlock()
	}
	return l.Conn.Write(b)
}

func (l *line) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.mu.Lock()
	until := l.until
	l.mu.Unlock()
	time.Sleep(time.Until(until))
	return n, err
}

func count(batch jetstream.MessageBatch) (n int) {
	for range batch.Messages() {
		n++
	}
	if batch.Error() != nil {
		log.Fatal(batch.Error())
	}
	return n
}

func main() {
	s := must(server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: os.Args[1]}))
	go s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		log.Fatal("the server did not start")
	}
	nc := must(nats.Connect(s.ClientURL(), nats.SetCustomDialer(&line{})))
	defer nc.Close()
	ctx := context.Background()
	js := must(jetstream.New(nc))
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "RECORDS", Subjects: []string{"records"}}))
	for range 10 {
		must(js.Publish(ctx, "records", nil))
	}
	cfg := jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy}
	consumer := must(stream.CreateConsumer(ctx, cfg))
	first := count(must(consumer.FetchNoWait(10)))
	info := must(consumer.Info(ctx))
	second := count(must(consumer.FetchNoWait(10)))
	waited := count(must(must(stream.CreateConsumer(ctx, cfg)).Fetch(10, jetstream.FetchMaxWait(10*time.Second))))
	fmt.Printf("without waiting: %d of 10, then %d, no error, although %d were delivered and %d are pending; with ten seconds: %d\n",
		first, second, info.Delivered.Consumer, info.NumPending, waited)
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
want="without waiting: 0 of 10, then 0, no error, although 10 were delivered and 0 are pending; with ten seconds: 10"
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
