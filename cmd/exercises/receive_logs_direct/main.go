// Receive_logs_direct prints the messages of the severities that it is given:
//
//	receive_logs_direct warning error
package main

import (
	"context"
	"fmt"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	keys := exercise.Args("SEVERITY...")
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "direct_logs", Kind: streams.Direct}); err != nil {
			return err
		}
		queue, err := session.DeclareTemporaryQueue(ctx, "direct_logs", keys...) // bound with each key
		if err != nil {
			return err
		}
		consumer, err := session.Consume(ctx, queue.Name, streams.ConsumeOptions{Prefetch: 1})
		if err != nil {
			return err
		}
		fmt.Println("Waiting for messages. To exit press CTRL+C")
		return consumer.Each(ctx, func(d *streams.Delivery) error {
			fmt.Printf("%s:%s\n", d.Key, d.Body)
			return d.Ack()
		})
	})
}
