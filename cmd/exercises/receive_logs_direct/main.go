// Receive_logs_direct prints the messages of the severities that it is given:
//
//	receive_logs_direct warning error
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
	keys := os.Args[1:]
	if len(keys) == 0 {
		log.Fatal("usage: receive_logs_direct SEVERITY...")
	}
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "direct_logs", Kind: streams.Direct}); err != nil {
			return err
		}
		queue, err := session.DeclareQueue(ctx, streams.Queue{Exclusive: true}) // the server names it
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := session.Bind(ctx, streams.Binding{Exchange: "direct_logs", Queue: queue.Name, Key: key}); err != nil {
				return err
			}
		}
		consumer, err := session.Consume(ctx, queue.Name, streams.ConsumeOptions{Prefetch: 1})
		if err != nil {
			return err
		}
		fmt.Println("Waiting for messages. To exit press CTRL+C")
		for d, err := range consumer.Deliveries(ctx) {
			if err != nil {
				return err
			}
			fmt.Printf("%s:%s\n", d.Key, d.Body)
			if err := d.Ack(); err != nil {
				return err
			}
		}
		return nil
	})
}
