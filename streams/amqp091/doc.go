// Package amqp091 is a listener for AMQP 0-9-1: unmodified RabbitMQ programs use a
// NATS server with JetStream through it.
//
//	server, err := amqp091.New(nc, amqp091.Config{})
//	...
//	l, err := net.Listen("tcp", "127.0.0.1:5672")
//	...
//	err = server.Serve(ctx, l)
//
// A virtual host is a [streams.Node], a client's connection is a session on it, and each
// of the client's methods is a call of package streams: what that package promises of
// exchanges, queues, deliveries and confirms holds for the client, and Go programs and
// AMQP clients share one topology.
//
// # Connections and channels
//
// A connection that breaks, or whose client misses two heartbeats, is a session
// that closes: what it held unsettled is back in its queues at once, and its
// exclusive queues are gone. Frames of all channels of a connection are worked on in
// the order in which they arrive. Before a method that has an answer, the channel's
// own publishes are confirmed, so that a declare counts them.
//
// # No room
//
// A client that publishes more than the broker has room for is told with
// connection.blocked, if it says that it understands that, and its messages wait; when
// all are stored it is told with connection.unblocked. With 2000 messages, or 8 MiB,
// of a channel under way its connection is not read. What is unsettled can be settled
// until then. A client that goes while its messages wait takes them with it.
//
// # Errors
//
// 311, 403, 404, 405, 406 and what Warren does not have yet (540) close the channel,
// everything else the connection, with RabbitMQ's codes and, where clients match
// them, RabbitMQ's words.
//
// # What differs from RabbitMQ
//
// Whatever package streams answers with 540 is 540 here: it closes the channel, not
// the connection. Transactions, exchange-to-exchange bindings, consumer priorities
// and direct reply-to are among it.
package amqp091
