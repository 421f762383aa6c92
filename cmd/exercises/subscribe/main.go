// Subscribe writes messages of one type to a log file: a client of the lecture's exercise 1.
package main

import (
	"context"
	"fmt"
	"os"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	args := exercise.Args("TYPE FILE")
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		file, err := os.OpenFile(args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "messages", Kind: streams.Direct}); err != nil {
			return err
		}
		queue, err := session.DeclareTemporaryQueue(ctx, "messages", args[0])
		if err != nil {
			return err
		}
		consumer, err := session.Consume(ctx, queue.Name, streams.ConsumeOptions{Prefetch: 1})
		if err != nil {
			return err
		}
		fmt.Println("Waiting for messages. To exit press CTRL+C")
		return consumer.Each(ctx, func(d *streams.Delivery) error {
			if _, err := fmt.Fprintf(file, "%s\n", d.Body); err != nil {
				return err
			}
			return d.Ack() // it is written
		})
	})
}
