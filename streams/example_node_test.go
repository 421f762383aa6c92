package streams_test

import (
	"context"
	"fmt"

	"warren/embedded"
	"warren/streams"
)

// A server opens one node, and a session on it for each of its clients.
func ExampleNode() {
	ctx := context.Background()
	broker, err := embedded.Start(embedded.Config{})
	check(err)
	nc, err := broker.Connect()
	check(err)
	node, err := streams.OpenNode(ctx, nc, streams.Config{})
	check(err)

	for _, user := range []string{"alice", "bob"} {
		client, err := node.Open(ctx, streams.SessionOptions{User: user})
		check(err)
		queue, err := client.DeclareQueue(ctx, streams.Queue{Exclusive: true})
		check(err)
		check(client.Publish(ctx, "", queue.Name, streams.Message{UserID: user, Body: []byte("hello")}))
		d, _, err := client.Get(ctx, queue.Name, streams.AutoAck)
		check(err)
		fmt.Printf("%s: %s\n", d.UserID, d.Body)
		check(client.Close(ctx)) // which deletes the queue
	}

	check(node.Close(ctx))
	nc.Close()
	check(broker.Close())
	// Output:
	// alice: hello
	// bob: hello
}
