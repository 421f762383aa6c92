package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// Explain is told what each step of AMQP becomes on JetStream.
func ExampleConfig_explain() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{Explain: func(step streams.Step) {
		fmt.Println(step.AMQP)
		for _, line := range step.NATS {
			fmt.Println("  ", line)
		}
	}})
	defer end()

	check(s.DeclareExchange(ctx, streams.Exchange{Name: "topic_logs", Kind: streams.Topic, Durable: true}))
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "kernel", Durable: true})
	check(err)
	check(s.Bind(ctx, streams.Binding{Exchange: "topic_logs", Queue: "kernel", Key: "kern.#"}))
	check(s.Publish(ctx, "topic_logs", "kern.critical", text("A critical kernel error")))
	// Output:
	// exchange.declare topic_logs type=topic durable=true
	//    stream warren~x~topic_logs: interest retention, file storage, subjects warren.x.topic_logs and warren.x.topic_logs.>
	// queue.declare kernel durable=true exclusive=false auto_delete=false
	//    stream warren~q~kernel: work-queue retention, file storage, subject warren.q.kernel
	//    consumer kernel: durable pull, explicit ack, lease 10s
	// queue.bind queue=kernel exchange=topic_logs routing_key=kern.#
	//    consumer kernel on stream warren~x~topic_logs
	//    filters warren.x.topic_logs.kern warren.x.topic_logs.kern.>
	//    the filters say it exactly
	// basic.publish exchange=topic_logs routing_key=kern.critical
	//    publish to subject warren.x.topic_logs.kern.critical and wait for the stream's acknowledgement
}
