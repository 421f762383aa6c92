package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// A headers exchange ignores the routing key and compares the headers of the
// message with the arguments of the binding: all of them, or any. Values have
// types: 1 is not "1".
func Example_headers() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()

	check(s.DeclareExchange(ctx, streams.Exchange{Name: "reports", Kind: streams.Headers}))
	bindings := map[string]streams.Table{
		"both": {"x-match": "all", "format": "pdf", "pages": 1},
		"one":  {"x-match": "any", "format": "pdf", "pages": 1},
	}
	for queue, args := range bindings {
		_, err := s.DeclareQueue(ctx, streams.Queue{Name: queue})
		check(err)
		check(s.Bind(ctx, streams.Binding{Exchange: "reports", Queue: queue, Args: args}))
	}
	for _, headers := range []streams.Table{
		{"format": "pdf", "pages": 1},
		{"format": "pdf", "pages": "1"},
		{"format": "zip"},
	} {
		check(s.Publish(ctx, "reports", "", streams.Message{Headers: headers}))
	}

	for _, queue := range []string{"both", "one"} {
		info, err := s.InspectQueue(ctx, queue)
		check(err)
		fmt.Printf("%s: %d\n", queue, info.Ready)
	}
	// Output:
	// both: 1
	// one: 2
}
