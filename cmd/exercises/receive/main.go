// Receive prints the messages of the queue "hello", until Ctrl-C: the lecture's first
// receive.py.
package main

import (
	"context"
	"fmt"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		if _, err := session.DeclareQueue(ctx, streams.Queue{Name: "hello"}); err != nil {
			return err
		}
		consumer, err := session.Consume(ctx, "hello", streams.ConsumeOptions{AutoAck: true})
		if err != nil {
			return err
		}
		fmt.Println("Waiting for messages. To exit press CTRL+C")
		return consumer.Run(ctx, func(d *streams.Delivery) {
			fmt.Printf("Received '%s'\n", d.Body)
		})
	})
}
