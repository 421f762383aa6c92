// Receive_logs_topic prints the messages whose keys match one of the patterns that it is
// given, in which * stands for a word and # for any number of them:
//
//	receive_logs_topic 'kern.*' '*.critical'
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
		log.Fatal("usage: receive_logs_topic PATTERN...")
	}
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "topic_logs", Kind: streams.Topic}); err != nil {
			return err
		}
		queue, err := session.DeclareQueue(ctx, streams.Queue{Exclusive: true}) // the server names it
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := session.Bind(ctx, streams.Binding{Exchange: "topic_logs", Queue: queue.Name, Key: key}); err != nil {
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
