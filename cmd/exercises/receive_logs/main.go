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
	name := fmt.Sprint("Logger ", 1+rand.IntN(1000))
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "logs", Kind: streams.Fanout}); err != nil {
			return err
		}
		queue, err := session.DeclareTemporaryQueue(ctx, "logs") // exclusive, and bound
		if err != nil {
			return err
		}
		consumer, err := session.Consume(ctx, queue.Name, streams.ConsumeOptions{Prefetch: 1})
		if err != nil {
			return err
		}
		fmt.Println("Waiting for messages. To exit press CTRL+C")
		return consumer.Each(ctx, func(d *streams.Delivery) error {
			fmt.Printf("Processing msg by %s: %s\n", name, d.Body)
			return d.Ack()
		})
	})
}
