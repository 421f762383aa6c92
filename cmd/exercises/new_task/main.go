// New_task sends five persistent messages to the durable queue "work": the lecture's
// send.py with durability.
package main

import (
	"context"
	"fmt"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		if _, err := session.DeclareQueue(ctx, streams.Queue{Name: "work", Durable: true}); err != nil {
			return err
		}
		for i := range 5 {
			message := streams.Message{
				Body:         fmt.Appendf(nil, "Hello World %d", i),
				DeliveryMode: streams.Persistent,
			}
			if err := session.Publish(ctx, "", "work", message); err != nil {
				return err
			}
		}
		fmt.Println("Sent 'Hello World!'")
		return nil
	})
}
