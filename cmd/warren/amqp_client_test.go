package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// amqpClient is a program that was written for RabbitMQ:
//
//	amqp publish URL QUEUE BODY...   publish persistent messages, confirmed
//	amqp get URL QUEUE               take all that wait
//	amqp mute URL                    connect, then say nothing and do not hang up
//	amqp hold URL QUEUE              consume, acknowledge nothing, and when the
//	                                 connection is lost connect again
//
// The queue is durable.
func amqpClient() {
	verb, url := os.Args[1], os.Args[2]
	var err error
	switch verb {
	case "publish":
		err = withQueue(url, os.Args[3], func(_ *amqp.Connection, ch *amqp.Channel) error { return publishBodies(ch, os.Args[3], os.Args[4:]) })
	case "get":
		err = withQueue(url, os.Args[3], func(_ *amqp.Connection, ch *amqp.Channel) error { return getBodies(ch, os.Args[3]) })
	case "mute":
		err = beMute(url)
	case "hold":
		for {
			if err := withQueue(url, os.Args[3], holdBodies(os.Args[3])); err != nil {
				time.Sleep(20 * time.Millisecond) // the broker is away
			}
		}
	default:
		err = fmt.Errorf("there is no %q", verb)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func withQueue(url, queue string, use func(*amqp.Connection, *amqp.Channel) error) error {
	conn, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		return err
	}
	return use(conn, ch)
}

func publishBodies(ch *amqp.Channel, queue string, bodies []string) error {
	if err := ch.Confirm(false); err != nil {
		return err
	}
	for _, body := range bodies {
		confirm, err := ch.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)})
		if err != nil {
			return err
		}
		if ok, err := confirm.WaitContext(context.Background()); err != nil || !ok {
			return fmt.Errorf("%s was not confirmed: %w", body, err)
		}
		fmt.Fprintln(os.Stdout, "Sent", body)
	}
	return nil
}

// A mute connection can be told to send nothing more, and not to hang up.
type muteConn struct {
	net.Conn
	mute atomic.Bool
}

func (c *muteConn) Write(p []byte) (int, error) {
	if c.mute.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *muteConn) Close() error {
	if c.mute.Load() {
		return nil
	}
	return c.Conn.Close()
}

func beMute(url string) error {
	conn := &muteConn{}
	_, err := amqp.DialConfig(url, amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		var err error
		conn.Conn, err = net.Dial(network, address)
		return conn, err
	}})
	if err != nil {
		return err
	}
	conn.mute.Store(true)
	fmt.Fprintln(os.Stdout, "Mute")
	select {}
}

func getBodies(ch *amqp.Channel, queue string) error {
	for {
		d, more, err := ch.Get(queue, true)
		if err != nil || !more {
			return err
		}
		fmt.Fprintf(os.Stdout, "Got %s, redelivered %v\n", d.Body, d.Redelivered)
	}
}

func holdBodies(queue string) func(*amqp.Connection, *amqp.Channel) error {
	return func(conn *amqp.Connection, ch *amqp.Channel) error {
		closed := conn.NotifyClose(make(chan *amqp.Error, 1))
		deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		fmt.Fprintln(os.Stdout, "Waiting")
		for d := range deliveries {
			fmt.Fprintf(os.Stdout, "Holding %s, redelivered %v\n", d.Body, d.Redelivered)
		}
		fmt.Fprintln(os.Stdout, "Lost:", <-closed)
		return nil
	}
}
