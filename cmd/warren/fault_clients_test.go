package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	_ "net/http/pprof" // what profiled serves
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/streams"
)

// What the tests of faults do: a short form of each in an ordinary run, all of them
// for longer with -faults full, and with -faults soak an hour of ordinary work.
var (
	faults   = flag.String("faults", "short", "short, full or soak")
	soakTime = flag.Duration("soak", time.Hour, "how long -faults soak takes")
)

// The clients of the tests of faults are processes of their own, so that each can be
// killed, stopped and cut off. They never give up.

// produce publishes messages FIRST to LAST to a queue, each until it is confirmed:
//
//	produce URL QUEUE FIRST LAST REPLICAS KIND
//
// The kind has words: durable is the queue, fleeting are messages that are not
// persistent, and lasting those that may wait for hours, and no longer. It says
// "confirmed N", and "repeated N" of one that it publishes again.
func produce() {
	url, queue, kind := os.Args[1], os.Args[2], os.Args[6]
	first, last, replicas := argument(3), argument(4), argument(5)
	s := openForLong(url, replicas)
	untilDone("declare", func(ctx context.Context) error {
		_, err := s.DeclareQueue(ctx, streams.Queue{Name: queue, Durable: strings.Contains(kind, "durable")})
		return err
	})
	m := streams.Message{DeliveryMode: streams.Persistent}
	if strings.Contains(kind, "fleeting") {
		m.DeliveryMode = streams.Transient
	}
	if strings.Contains(kind, "lasting") {
		m.Expiration = strconv.FormatInt((3 * time.Hour).Milliseconds(), 10)
	}
	padding := make([]byte, paddingSize)
	for i := first; i <= last; i++ {
		m.Body = append([]byte(strconv.Itoa(i)+" "), padding...)
		for {
			err := attempt(func(ctx context.Context) error { return s.Publish(ctx, "", queue, m) })
			if err == nil {
				break
			}
			// What is refused was not stored.
			if !errors.Is(err, streams.ErrResource) {
				fmt.Fprintln(os.Stdout, "repeated", i)
			}
			fmt.Fprintln(os.Stdout, "because", err)
		}
		fmt.Fprintln(os.Stdout, "confirmed", i)
	}
}

// paddingSize is what a message has beside its number.
const paddingSize = 1 << 10

// consume receives from a queue, and acknowledges:
//
//	consume URL QUEUE
//
// It says "delivered N", or "redelivered N", and then "acked N".
func consume() {
	url, queue := os.Args[1], os.Args[2]
	s := openForLong(url, 1)
	for {
		var consumer *streams.Consumer
		untilDone("consume", func(ctx context.Context) (err error) {
			consumer, err = s.Consume(ctx, queue, streams.ConsumeOptions{Prefetch: 10})
			return err
		})
		fmt.Fprintln(os.Stdout, "consuming")
		err := consumer.Run(context.Background(), func(d *streams.Delivery) {
			var i int
			_, err := fmt.Sscanf(string(d.Body), "%d ", &i)
			check(err)
			how := "delivered"
			if d.Redelivered {
				how = "redelivered"
			}
			fmt.Fprintln(os.Stdout, how, i)
			if err := d.Ack(); err == nil {
				fmt.Fprintln(os.Stdout, "acked", i)
			}
		})
		fmt.Fprintln(os.Stdout, "because", err)
	}
}

// remain says what is left in a queue:
//
//	remain URL QUEUE
func remain() {
	s := openForLong(os.Args[1], 1)
	untilDone("inspect", func(ctx context.Context) error {
		info, err := s.InspectQueue(ctx, os.Args[2])
		if err == nil {
			fmt.Fprintf(os.Stdout, "remain %d %d %d\n", info.Ready, info.Unacked, info.Consumers)
		}
		return err
	})
}

// leads says which server of a cluster gives out what is in a queue:
//
//	leads URL QUEUE
func leads() {
	nc, err := nats.Connect(os.Args[1])
	check(err)
	js, err := jetstream.New(nc)
	check(err)
	untilDone("look", func(ctx context.Context) error {
		consumer, err := js.Consumer(ctx, "warren~q~"+os.Args[2], os.Args[2])
		if err == nil {
			fmt.Fprintln(os.Stdout, "leads", consumer.CachedInfo().Cluster.Leader)
		}
		return err
	})
}

func argument(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	check(err)
	return n
}

func openForLong(url string, replicas int) (s *streams.Session) {
	nc, err := nats.Connect(url, nats.Timeout(2*time.Second), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(50*time.Millisecond), nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2))
	check(err)
	untilDone("open", func(ctx context.Context) error {
		s, err = streams.Open(ctx, nc, streams.Config{Replicas: replicas, Lease: faultLease, Logger: newLogger(os.Stdout, slog.LevelWarn)})
		return err
	})
	return s
}

// faultLease is the lease of the queues in the tests of faults.
const faultLease = 2 * time.Second

func attempt(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return do(ctx)
}

func untilDone(what string, do func(context.Context) error) {
	for {
		err := attempt(do)
		if err == nil {
			return
		}
		fmt.Fprintln(os.Stdout, "because", what, err)
	}
}

// node runs a server of a cluster until it is killed:
//
//	node CONFIG
func node() {
	var cfg embedded.Config
	check(json.Unmarshal([]byte(os.Args[1]), &cfg))
	cfg.Logger = newLogger(os.Stderr, slog.LevelError)
	s, err := embedded.Start(cfg)
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	check(s.Ready(ctx))
	fmt.Fprintln(os.Stdout, "ready")
	select {}
}

// profiled is a warren that also serves its profiles, on the port that is its first
// argument.
func profiled() {
	address := "127.0.0.1:" + os.Args[1]
	os.Args = append(os.Args[:1], os.Args[2:]...)
	go func() { check(http.ListenAndServe(address, nil)) }()
	main()
}
