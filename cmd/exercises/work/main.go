// Work works on the messages of the durable queue "work", one at a time, for a few
// seconds each, and acknowledges them: the lecture's receive.py with acknowledgements,
// durability and a prefetch of one. Start several, and kill one in the middle.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		if _, err := session.DeclareQueue(ctx, streams.Queue{Name: "work", Durable: true}); err != nil {
			return err
		}
		consumer, err := session.Consume(ctx, "work", streams.ConsumeOptions{Prefetch: 1})
		if err != nil {
			return err
		}
		fmt.Println("Waiting for messages. To exit press CTRL+C")
		return consumer.Each(ctx, func(d *streams.Delivery) error {
			fmt.Printf("Start processing %s\n", d.Body)
			began := time.Now()
			time.Sleep(time.Second + rand.N(4*time.Second))
			fmt.Printf("Processed for %.2f sec.\n", time.Since(began).Seconds())
			return d.Ack()
		})
	})
}
