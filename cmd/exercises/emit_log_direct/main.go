// Emit_log_direct publishes a message with a severity as its key:
//
//	emit_log_direct error Disk is full
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"warren/cmd/exercises/exercise"
	"warren/streams"
)

func main() {
	args := os.Args[1:]
	if len(args) < 2 {
		log.Fatal("usage: emit_log_direct SEVERITY MESSAGE...")
	}
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
