// Emit_log_topic publishes a message with a key of several words:
//
//	emit_log_topic kern.critical A critical kernel error
package main

import (
	"context"
	"fmt"
	"strings"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	args := exercise.Args("KEY MESSAGE...")
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		key, text := args[0], strings.Join(args[1:], " ")
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "topic_logs", Kind: streams.Topic}); err != nil {
			return err
		}
		if err := session.Publish(ctx, "topic_logs", key, streams.Message{Body: []byte(text)}); err != nil {
			return err
		}
		fmt.Printf("Sent %s:%s\n", key, text)
		return nil
	})
}
