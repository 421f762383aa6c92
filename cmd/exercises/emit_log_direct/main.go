// Emit_log_direct publishes a message with a severity as its key:
//
//	emit_log_direct error Disk is full
package main

import (
	"context"
	"fmt"
	"strings"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	args := exercise.Args("SEVERITY MESSAGE...")
	exercise.Run(func(ctx context.Context, session *streams.Session) error {
		key, text := args[0], strings.Join(args[1:], " ")
		if err := session.DeclareExchange(ctx, streams.Exchange{Name: "direct_logs", Kind: streams.Direct}); err != nil {
			return err
		}
		if err := session.Publish(ctx, "direct_logs", key, streams.Message{Body: []byte(text)}); err != nil {
			return err
		}
		fmt.Printf("Sent %s:%s\n", key, text)
		return nil
	})
}
