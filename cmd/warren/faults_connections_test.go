//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"

	"warren/embedded/embeddedtest"
)

// TestFaults_ConnectionsLeaveNothing: clients of AMQP come with queues of their own and
// go, in good order or without a word, and the broker has no more of anything than
// before.
func TestFaults_ConnectionsLeaveNothing(t *testing.T) {
	t.Parallel()
	total := 40
	if *faults == "full" {
		total = 10_000
	}
	profile, port, dir := strconv.Itoa(embeddedtest.Port(t)), strconv.Itoa(embeddedtest.Port(t)), t.TempDir()
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(embeddedtest.Port(t)))
	broker := launch(t, nil, "profiled", profile, "serve", "--dir", dir, "--port", port, "--amqp", at)
	broker.awaitLine(t, "Warren is ready")
	js := soakJetStream(t, "nats://127.0.0.1:"+port)
	probe := soakProbe{
		pid: broker.cmd.Process.Pid, profile: "http://127.0.0.1:" + profile, dir: dir,
		js: js, made: countMade(t, js.Conn()),
	}
	for i := range 4 { // what is made once is made
		if err := beAClient(at, 2*i+1); err != nil {
			t.Fatal(err)
		}
	}
	before := probe.await(t, func(soakSample) bool { return true })
	t.Logf("before %v", before)
	comeAndGo(t, at, total)
	after := probe.await(t, func(s soakSample) bool { return !s.has(before) })
	t.Logf("after  %v", after)
	if more := after.made - before.made; more < total {
		t.Errorf("%d queues were made by %d clients", more, total)
	}
}

// has reports whether there is more of something than before. A stream of few messages
// may take a few files.
func (s soakSample) has(before soakSample) bool {
	return s.streams > before.streams || s.consumers > before.consumers || s.messages > before.messages ||
		s.goroutines > before.goroutines+5 || s.open > before.open || s.files > before.files+5
}

// await takes samples until one is as it should be; the last one it is not is told.
func (p soakProbe) await(t *testing.T, is func(soakSample) bool) soakSample {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last soakSample
	for {
		s, err := p.sample(ctx)
		if err != nil {
			t.Fatalf("after %v: %v; the streams have %q", last, err, p.subjects(t))
		}
		if is(s) {
			return s
		}
		last = s
	}
}

// subjects are those of all messages.
func (p soakProbe) subjects(t *testing.T) (all []string) {
	t.Helper()
	for info := range p.js.ListStreams(t.Context()).Info() {
		stream, err := p.js.Stream(t.Context(), info.Config.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		if info, err = stream.Info(t.Context(), jetstream.WithSubjectFilter(">")); err != nil {
			t.Error(err)
			continue
		}
		for subject := range info.State.Subjects {
			all = append(all, subject)
		}
	}
	return all
}

// comeAndGo has clients come and go, a few at a time.
func comeAndGo(t *testing.T, at string, total int) {
	t.Helper()
	const beside = 8
	clients := make(chan int)
	var work sync.WaitGroup
	for range beside {
		work.Go(func() {
			for i := range clients {
				if err := beAClient(at, i); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
	for i := range total {
		clients <- i
	}
	close(clients)
	work.Wait()
}

// beAClient has a queue, a binding, a consumer, and a message that it holds. Every
// other client goes without a word.
func beAClient(at string, i int) error {
	var socket net.Conn
	conn, err := amqp.DialConfig("amqp://guest:guest@"+at, amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		var err error
		socket, err = net.DialTimeout(network, address, 30*time.Second)
		return socket, err
	}})
	if err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	q, err := ch.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		return err
	}
	key := "client." + strconv.Itoa(i)
	if err := ch.QueueBind(q.Name, key, "amq.topic", false, nil); err != nil {
		return err
	}
	deliveries, err := ch.Consume(q.Name, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for _, to := range [][2]string{{"", q.Name}, {"amq.topic", key}} {
		if err := ch.Publish(to[0], to[1], false, false, amqp.Publishing{Body: []byte("hello")}); err != nil {
			return err
		}
	}
	if _, ok := <-deliveries; !ok {
		return fmt.Errorf("the queue %s was closed", q.Name)
	}
	if i%2 == 0 {
		return socket.Close()
	}
	return conn.Close()
}
