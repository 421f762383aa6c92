// Subscribe writes the messages of one type to a log file: a client of the lecture's
// exercise 1.
//
//	subscribe news news.log
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	args := os.Args[1:]
	if len(args) != 2 {
		log.Fatal("usage: subscribe TYPE FILE")
	}
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		file, err := os.OpenFile(args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer file.Close()
		logger := log.New(file, "", log.LstdFlags)
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "messages", Kind: streams.Direct}); err != nil {
			return err
		}
		queue, err := session.DeclareQueue(ctx, streams.Queue{Exclusive: true})
		if err != nil {
			return err
		}
		if err := session.Bind(ctx, streams.Binding{Exchange: "messages", Queue: queue.Name, Key: args[0]}); err != nil {
			return err
		}
		consumer, err := session.Consume(ctx, queue.Name, streams.ConsumeOptions{Prefetch: 1})
		if err != nil {
			return err
		}
		fmt.Println("Waiting for messages. To exit press CTRL+C")
		for d, err := range consumer.Deliveries(ctx) {
			if err == nil {
				err = logger.Output(0, string(d.Body)) // acknowledged when it is written
			}
			if err == nil {
				err = d.Ack()
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
