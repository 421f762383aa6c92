// Generate publishes messages of two types, "news" and "weather", by turns, one a second
// or as often as it is told: the generator of the lecture's exercise 1.
//
//	generate -every 100ms
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	every := flag.Duration("every", time.Second, "how long to wait after each message")
	exercise.Args("")
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "messages", Kind: streams.Direct}); err != nil {
			return err
		}
		for i := 0; ; i++ {
			kind := []string{"news", "weather"}[i%2]
			message := streams.Message{Body: fmt.Appendf(nil, "%s %d", kind, i)}
			if err := session.Publish(ctx, "messages", kind, message); err != nil {
				return err
			}
			fmt.Printf("Sent '%s'\n", message.Body)
			select {
			case <-time.After(*every):
			case <-ctx.Done():
				return nil
			}
		}
	})
}
