// Receive_logs prints what is published to the fanout exchange "logs", from now on: the
// lecture's subscriber.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		name := fmt.Sprint("Logger ", 1+rand.IntN(1000))
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "logs", Kind: streams.Fanout}); err != nil {
			return err
		}
		queue, err := session.DeclareQueue(ctx, streams.Queue{Exclusive: true}) // the server names it
		if err != nil {
			return err
		}
		if err := session.Bind(ctx, streams.Binding{Exchange: "logs", Queue: queue.Name}); err != nil {
			return err
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
			fmt.Printf("Processing msg by %s: %s\n", name, d.Body)
			if err := d.Ack(); err != nil {
				return err
			}
		}
		return nil
	})
}
