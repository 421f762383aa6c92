package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// In the binding key of a topic exchange * is one word, and # is any number of
// words, none too, anywhere. A message that several bindings of a queue match
// comes once.
func Example_topic() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()

	check(s.DeclareExchange(ctx, streams.Exchange{Name: "topic_logs", Kind: streams.Topic}))
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "phones"})
	check(err)
	for _, key := range []string{"app.notification.sms.#", "#.call"} {
		check(s.Bind(ctx, streams.Binding{Exchange: "topic_logs", Queue: "phones", Key: key}))
	}
	for _, key := range []string{
		"app.notification.sms",
		"app.notification.email",
		"app.notification.sms.sent",
		"app.notification.sms.sent.late",
		"call",
		"app.notification.sms.call",
	} {
		check(s.Publish(ctx, "topic_logs", key, text("")))
	}

	for {
		d, ok, err := s.Get(ctx, "phones", streams.AutoAck)
		check(err)
		if !ok {
			break
		}
		fmt.Println(d.Key)
	}
	// Output:
	// app.notification.sms
	// app.notification.sms.sent
	// app.notification.sms.sent.late
	// call
	// app.notification.sms.call
}
