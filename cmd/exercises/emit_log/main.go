// Emit_log publishes five messages to the fanout exchange "logs": the lecture's
// publisher.
package main

import (
	"context"
	"fmt"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "logs", Kind: streams.Fanout}); err != nil {
			return err
		}
		for i := range 5 {
			message := streams.Message{Body: fmt.Appendf(nil, "Hello World %d", i)}
			if err := session.Publish(ctx, "logs", "", message); err != nil {
				return err
			}
		}
		fmt.Println("Sent 'Hello World!'")
		return nil
	})
}
