// Receive_logs_topic prints the messages whose keys match one of the patterns that it is
// given, in which * stands for a word and # for any number of them:
//
//	receive_logs_topic 'kern.*' '*.critical'
package main

import (
	"context"
	"fmt"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	keys := exercise.Args("PATTERN...")
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "topic_logs", Kind: streams.Topic}); err != nil {
			return err
		}
		queue, err := session.DeclareTemporaryQueue(ctx, "topic_logs", keys...) // bound with each key
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
