// Send sends a message to the queue "hello": the lecture's first send.py.
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
		if err := session.Publish(ctx, "", "hello", streams.Message{Body: []byte("Hello World!")}); err != nil {
			return err
		}
		fmt.Println("Sent 'Hello World!'")
		return nil
	})
}
