#!/usr/bin/env bash
# Guess: what a server announces as max_payload bounds a message with its headers, of
# which there may be as many as fit: a stream takes what the server takes.
# Truth: the headers of a message in a JetStream stream have a limit of their own, 64 KiB,
# whatever max_payload is. The server takes the same message where no stream listens. The
# limit is in no configuration and no INFO: the error, 10097, comes from the stream.
# Versions: nats-server 2.15.2, nats.go 1.55.0.
# Source: the run below; nats-server issue 2525 says why: where a message is replicated, the
# length of its headers has 16 bits.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
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

func main() {
	s := must(server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: os.Args[1], MaxPayload: 8 << 20}))
	go s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		log.Fatal("the server did not start")
	}
	nc := must(nats.Connect(s.ClientURL()))
	defer nc.Close()
	ctx := context.Background()
	js := must(jetstream.New(nc))
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"stored"}}))
	heard := must(nc.SubscribeSync("heard"))

	message := func(subject string, header, body int) *nats.Msg {
		return &nats.Msg{Subject: subject, Header: nats.Header{"A": {strings.Repeat("x", header)}}, Data: make([]byte, body)}
	}
	say := func(err error) string {
		var api *jetstream.APIError
		if errors.As(err, &api) {
			return fmt.Sprintf("%d %s", api.ErrorCode, api.Description)
		}
		return fmt.Sprint(err)
	}
	_, err := js.PublishMsg(ctx, message("stored", 1, 2<<20))
	fmt.Println("a body of 2 MiB, stored:", say(err))
	if err := nc.PublishMsg(message("heard", 2<<20, 1)); err != nil {
		log.Fatal(err)
	}
	_, err = heard.NextMsg(5 * time.Second)
	fmt.Println("a header of 2 MiB, heard:", say(err))
	_, err = js.PublishMsg(ctx, message("stored", 60<<10, 1))
	fmt.Println("a header of 60 KiB, stored:", say(err))
	_, err = js.PublishMsg(ctx, message("stored", 70<<10, 1))
	fmt.Println("a header of 70 KiB, stored:", say(err))
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
want="a body of 2 MiB, stored: <nil>
a header of 2 MiB, heard: <nil>
a header of 60 KiB, stored: <nil>
a header of 70 KiB, stored: 10097 header size exceeds maximum allowed of 64k"
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
