// Package streams speaks AMQP 0-9-1 to NATS JetStream: exchanges, queues,
// bindings, acknowledgements and confirms, with the meaning they have on a
// RabbitMQ, on a broker that is a NATS server.
//
//	nc, err := nats.Connect(nats.DefaultURL, nats.MaxReconnects(-1))
//	...
//	s, err := streams.Open(ctx, nc, streams.Config{})
//	...
//	defer s.Close(context.Background())
//
//	_, err = s.DeclareQueue(ctx, streams.Queue{Name: "hello", Durable: true})
//	err = s.Publish(ctx, "", "hello", streams.Message{Body: []byte("Hello World!")})
//
//	consumer, err := s.Consume(ctx, "hello", streams.ConsumeOptions{Prefetch: 1})
//	err = consumer.Run(ctx, func(d *streams.Delivery) {
//		fmt.Printf("Received %s\n", d.Body)
//		d.Ack()
//	})
//
// # The mapping
//
// An exchange is a stream with interest retention: it keeps a message for as
// long as a queue wants it. The stream is in memory while neither the exchange
// nor a queue bound to it outlives the broker, and in files otherwise. A queue is
// a home, which is a work-queue stream for what the default exchange sends there,
// and a view, which is a durable pull consumer, on the stream of each exchange it
// is bound to. The keys of its bindings are the filter subjects of the view. A
// routing key is a subject, one token a word; what NATS forbids in a token is
// escaped. Prefetch is how many messages a consumer asks for. A confirm is the
// stream's acknowledgement. What exists is written in a key-value bucket a virtual
// host, changed by compare-and-set.
//
// A message for later is a schedule in the home of its queue. A transaction is an
// atomic batch, and so is what a Publisher has waiting where the broker syncs
// every message, and would take them one by one.
//
// Where subjects cannot say what a binding says, the filters are wider and the
// consumer decides, exactly. [Config.Explain] tells what each step becomes.
//
// A [Store] is no part of AMQP: a table of last values for what is built on top, on
// a stream that keeps one message a subject and republishes every write.
//
// # Guarantees
//
// Declaring. When DeclareExchange, DeclareQueue, Bind or Unbind returns, the
// next publish obeys it, from every session. What was published before Bind was
// called does not come; what was routed before Unbind was called stays in the
// queue. A message that several bindings of a queue match comes once. Of many
// sessions that declare one thing at once, all get the same one.
//
// Publishing. When Publish returns nil, the broker has stored the message for
// every queue that wanted it. It is stored once, so all of them have it, or
// none. Messages published one after the other, or through one Publisher from
// one goroutine, keep their order. [Mandatory] is exact: the error is 312 if,
// and only if, no queue wanted the message, and has it as its [Returned], body and
// properties as they were published. [ErrUnconfirmed] says that the broker may
// have the message or not: nothing is published again on its own after it may
// have been stored.
//
// Order. A queue gives out the messages of its home, and those of each exchange
// it is bound to, in the order in which they were stored.
//
// Prefetch. A consumer never holds more unsettled messages than its window has
// room for, over the home and all views together, besides those that have given
// up their places with [Delivery.Vacate]. Consumers that share a [Window] share its
// room.
//
// Turns. Of the messages that wait for consumers that share a window with a limit,
// the one comes next whose turn it is by their [Turn]s: each time that something is
// settled, that is decided anew. A message that was published a moment before may
// be overlooked once, for as long as the broker takes to count it. Who starts
// several such consumers stops the window's Flow until they are all there. Consumers
// with windows of their own know nothing of each other's turns. A shared window asks for
// no more than there is room for, and each line of it that is empty costs a question
// and an answer for each message, and a request that waits while there is room.
//
// Settling. A delivery is settled once; settling it again is 406. It may be
// settled from any goroutine and after its consumer was cancelled. An ack is sent
// and not waited for: after a crash of either side right behind it the message
// may come again, marked as redelivered. Lapse settles a delivery without a word to
// the broker, which another consumer that has the message by now will not notice. A
// broker that deals with acks at once may
// be asked for more before it has dealt with the last few, eight and those of one
// request at most. Delivery is at least once.
//
// Redelivery. What is requeued goes to the front of the queue, and several
// messages that are requeued with [Multiple] keep their order. What a consumer
// holds is its own for as long as its session lives and is connected, be it
// hours: the session renews the lease. Cancel hands back what nobody has received
// yet, and Close everything unsettled, at once and in order. What a process held
// that was killed comes back within the lease, [Config.Lease], which is 10
// seconds unless the queue was created with another. What AutoAck had settled
// does not come back.
//
// Later. A message that was published with [Session.PublishAt] waits at the broker,
// as safely as in its queue, and comes into the queue at its time by the broker's
// clock, never before it and up to a quarter of a second after it: who needs it to
// the millisecond lets it come earlier, and holds it. What waits is not ready: a
// purge leaves it, and consumers do not see it. It goes with its queue. Of the
// messages of one id the last one waits, and those before it that had not come do
// not come, unless they were just coming. What [Session.Unschedule] has taken back
// does not come. If the broker is killed as it puts a message into the queue, that
// one may come twice.
//
// Counts. QueueInfo counts what is in the queue when it is asked for, with all
// that was published, received and settled before. What a killed consumer held
// counts as ready from when it is missed.
//
// Queues and exchanges that end. An exclusive queue is gone when Close returns.
// If its process was killed, no session finds the queue any more, and what is
// left of it is cleared away within seconds by any other session. An auto-delete
// queue goes with its last consumer, an auto-delete exchange with its last
// binding. The consumers of a queue that goes are told: [ErrCancelled].
//
// Stores. When Put returns nil, the broker has stored the value, and Get has it, or
// a later one, from every session. Of all writes that expect the same revision, one
// is done. A value is there until its TTL is over, and not for more than a second
// longer. Follow and Notify tell the last write of every key, in order, whatever goes
// and comes back meanwhile. A value is as durable as a persistent message in a durable
// queue.
//
// # What a crash takes
//
// What is lost of messages that were confirmed and not acknowledged, when a
// process is killed, or the power of a single broker fails:
//
//	                                    publisher  receiver  broker   power
//	persistent, in a durable queue      nothing    nothing   nothing  the last sync interval
//	  and the broker syncs always       nothing    nothing   nothing  nothing
//	not persistent, or not in one       nothing    nothing   all      all
//	what AutoAck had settled and its
//	  receiver not handled              nothing    all       nothing  nothing
//
// Of what a publisher that is killed has published and not seen confirmed,
// anything may be there. A broker that is stopped in good order takes the same as
// one that is killed, and a session that is closed takes the same as a receiver
// that is killed, and its exclusive queues.
//
// Durable queues and exchanges come back with the broker, and so do the bindings
// between them. A queue keeps the persistent messages of an exchange that does
// not come back. A power cut may also take a declaration of the last sync
// interval, and bring back what was acknowledged in it. Sessions and their
// consumers go on when the broker is back, except consumers of queues that are
// gone; a publish that was under way is [ErrUnconfirmed].
//
// How often the broker syncs is the broker's setting: a nats-server's default is
// two minutes, and package warren/embedded's one second.
//
// # What differs from RabbitMQ
//
// Not there yet, and refused with 540: dead-lettering, message TTL and
// expiration, queue TTL, length limits, priorities, delivery limits, alternate
// exchanges, single active consumer, quorum queues and streams as queue types,
// exchanges of other types (delayed messages, consistent hashing), the headers
// CC and BCC, and direct reply-to. A message's priority is carried and not acted
// on. Exchange-to-exchange bindings, exclusive consumers, consumer priorities and
// basic.recover have no method. A transaction publishes with one key, at most 1000
// messages, and settles nothing: [Session.PublishAll].
//
// Errors end nothing. Where RabbitMQ closes the channel, or the connection, a
// method returns an [Error] of the same code and the session goes on. A message
// that is returned comes in the error of the Publish or the [Confirm] it belongs
// to, which is not confirmed besides.
//
// There are no channels. The empty name is no queue, and not the one that was
// declared last. [Multiple] settles what one consumer holds, or what Get took from
// one queue. A name with a line break or a zero byte in it is refused.
//
// Messages of a home and of several exchanges are merged as they come, and not
// in the order in which they were published. So are those of an exchange that is
// not durable and has a durable queue bound to it for the first time, from before
// and from after: it moves from memory to files then. Each exchange a queue is
// bound to costs a pull request that waits.
//
// Consumers that wait take strict turns. Those that have a prefetch, and a queue
// that is bound to exchanges, ask each source for one message at a time: of
// several that are published at once, one of them may get two in a row.
//
// What is requeued one by one comes back in that order, as it does from a quorum
// queue, and not in the order in which it was published. A message that is
// requeued while a request for the next one is under way may come behind that one.
// A message may be marked as redelivered although no handler has seen it, if it was
// handed back unseen. What a killed consumer held comes back in the order in which
// its leases end: if it died while it renewed them, the first may come last.
//
// The messages of a killed consumer come back when the lease is over and not
// when its connection breaks. If a session is cut off from the broker for longer
// than the lease, or its process is stopped for as long, another consumer gets
// what it holds while it still works on it; an ack that comes late is taken, and
// removes the message.
//
// While a stream of a cluster has no leader, a message is published again that
// nobody took, and may come behind one that its Publisher published after it.
//
// Purge drops what is ready when it begins. Messages published while it runs
// may stay. [IfUnused] and [IfEmpty] look before the queue is deleted: what comes
// in between goes with it.
//
// An ack on an exchange asks every queue of the exchange: with 1000 queues on
// one exchange, a machine of two cores does about 7000 a second. Homes do not have
// that cost. Beyond 100 filters on one exchange a queue's filters are
// widened, and it is sent messages that it then drops.
//
// # Concurrency
//
// Methods of Session, Publisher, Window and Delivery may be called from any
// goroutine. The fields of a Delivery are its receiver's. A Consumer is received
// from in one way: with Run, with Deliveries or with Push, once.
//
// A method of Session returns when its context ends, also when the broker has
// stopped reading; what it was at may still be done then. Settling a delivery
// takes none, and waits for as long as the connection does.
//
// Run calls one handler at a time, in order, or [ConsumeOptions.Concurrency] of
// them, in any. Push, [PublisherOptions.Confirmed], [Config.Explain] and what
// [Store.Notify] calls are called from goroutines that have other work: they must not
// block, and must not call back into the package, except to settle a delivery. A handler of Run must
// not cancel its consumer or close its session; it ends the context of Run
// instead.
//
// # Who closes what
//
// The connection is the caller's: it dials, it sets how often to reconnect
// (for ever, as a rule), and it closes, after the session. Close ends the
// session's consumers. A Publisher needs no closing. If the connection is closed
// first, Close still returns; then the lease hands back what was held.
package streams
