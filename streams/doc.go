// Package streams gives Go programs RabbitMQ's way of working on a NATS server with
// JetStream: exchanges, queues, bindings, acknowledgements and confirms, with the
// meaning they have in AMQP 0-9-1.
//
// Use it when a program needs work queues, routing by keys or headers, or
// acknowledgements with a bounded prefetch, and NATS is the broker. For tasks with
// results and retries use package warren/workers, which is built on it. Programs that
// speak AMQP already use package warren/streams/amqp091, and share queues with those
// that use this one. For a stream that many readers replay use nats.go itself.
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
// stream's acknowledgement. What exists is written in a stream of records a virtual
// host, changed by compare-and-set.
//
// A message for later is a schedule in the home of its queue. A transaction is an
// atomic batch. Where the broker syncs every message, the publishers of a node send
// what waits as one atomic batch, too.
//
// Where subjects cannot say what a binding says, the filters are wider and the
// consumer decides, exactly. [Config.Explain] tells what each step becomes.
//
// A process that acts for many users, such as a server, opens one [Node], and a session
// on it for each: sessions of a node share all that does not belong to one user.
//
// A [Store] is no part of AMQP: a table of last values for what is built on top, on
// a stream in which every write rolls up what its key had, and is republished.
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
// No room. A broker that is out of memory or disk refuses what is published with 506,
// [ErrResource], which says what is full; nothing of it is stored. A Publisher may wait
// instead, see [PublisherOptions]. Package
// warren/embedded, and so warren serve, keeps room for everything else: sessions open,
// queues are declared, consumed and purged, stores are written. A nats-server that runs
// on its own has one limit for all streams: when that is reached, queues can still be
// purged, but no consumer can begin. Give it more than its publishers can fill, and
// watch it; its limits can be raised while it runs.
//
// Order. A queue gives out the messages of its home, and those of each exchange
// it is bound to, in the order in which they were stored. What comes again comes
// behind what has come since, if it was not handed back: see Redelivery.
//
// Prefetch. A consumer never holds more unsettled messages than its window has
// room for, over the home and all views together, besides those that have given
// up their places with [Delivery.Vacate]. Consumers that share a [Window] share its
// room, and each keeps to its own Prefetch besides.
//
// Turns. The consumers of a queue on one node that have room get its messages one after
// the other. Of the messages that wait for consumers of several queues that share a window
// with a limit, the one comes next whose turn it is by their [Turn]s: each time that
// something is settled, that is decided anew. A message that was published a moment before
// may be overlooked once, for as long as the broker takes to count it. Who starts
// several such consumers stops the window's Flow until they are all there. Consumers
// with windows of their own know nothing of each other's turns. A window that is shared over
// several queues asks for no more than there is room for, and each line of it that is empty
// costs a question and an answer for each message, and a request that waits while there is
// room. Where all consumers of the window have the same Turn, it asks for as many messages
// at once as there is room for, and for more when these have come.
//
// Exclusive consumers. A consumer that asks for it has its queue to itself, over all
// sessions: see [ConsumeOptions.Exclusive]. Of several that begin at once and of which
// one is exclusive, either that one consumes or others do, and the rest are refused with
// 403. After a restart of the broker an exclusive consumer goes on as one.
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
// Redelivery. What is requeued goes to its old place in the queue, by the time at which it
// was stored, and comes from there to the next consumer of the node that has room. If
// other nodes use the queue, it goes to the front of the queue for all of them when it is
// requeued a second time, or when nobody here has room for it. Several messages that go
// there together keep their order. What a consumer
// holds is its own for as long as its session lives and is connected, be it
// hours: the session renews the lease. Cancel hands back what nobody has received
// yet, and Close everything unsettled, at once and in order. What a process held
// that was killed comes back within the lease, [Config.Lease], which is 10
// seconds unless the queue was created with another. What AutoAck had settled
// does not come back. What comes again is marked as redelivered, and so is all that has
// waited through a restart of the broker, which does not know whether it was handed
// out. Where the leader of a queue in a cluster is killed, the next one may not
// know it either of the last few messages: those that come again to the consumer that
// had them are marked, and those that come to another one may not be, as if they
// came for the first time and late.
//
// Expiry. A message that has waited in a queue for as long as its Expiration says, or
// [Queue.MessageTTL] if that is less, is dropped when it comes to the front of the queue:
// no consumer and no Get is given it, and no count has it. The time counts from when the
// broker stored the message for the queue, by the broker's clock, and goes on when the
// message is requeued. Behind a message that lives, one whose time is over waits and
// counts, and while somebody holds it, it is that one's. With a time of 0 a message is for
// a consumer that waits for it. The front is that of each source, see Order. What nobody
// asks for is dropped within seconds by any session: of queues without a MessageTTL a few
// at a time, and a task of Celery, whose worker may note that it has expired, stays until
// somebody looks at its queue.
//
// A queue with [Queue.Expires] is deleted when it was not used for that time, by the
// leader of the virtual host: a session with [Config.Lead], as 'warren serve' has. Its time
// begins anew when it is declared, also by InspectQueue, taken from with Get, and when a
// consumer ends, and not when it is published to, bound or purged, or while somebody holds
// its messages. It never ends early, and whoever uses the queue in time has it for all of
// it. While there is no leader, because it was killed and another follows within seconds,
// it may end late. A restart of the broker begins it anew. The end of a consumer that is
// killed is when it is missed.
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
// that was published, received and settled before. What a killed consumer held counts as
// unsettled until its lease is over, and [QueueInfo.Orphaned] says how much that is. The
// lease is counted from when the consumer was missed, which takes five seconds at most
// while there are other sessions: if it is over sooner, and somebody receives, the count
// follows. What is requeued meanwhile and nobody has room for may count there, too, up
// to the prefetch of the killed one; and after a restart of the broker all of it counts as
// ready. A call takes no longer the more messages wait: the broker counts them. Up to 1000
// messages of which it cannot say whether they are the queue's are read, and the count is
// exact. Where more of them wait, all that came through the filters count, and the count is
// an upper bound. Such messages are those from before a restart in a durable queue, of which
// the ones that are not persistent have ended; those from before the last binding to their
// exchange; and all of an exchange whose bindings subjects cannot say exactly, as those of a
// headers exchange. [IfEmpty] and the number that PurgeQueue returns are exact. Where a
// server of a cluster was cut off from the others and has just come back, what was settled
// meanwhile may count for a moment.
//
// Sessions that end. A session is there for as long as it answers the others, and for
// 30 seconds by the broker's clock after it was heard of last: nothing is taken from
// one that cannot be reached for less, because its server is stopped, or cut off from
// the others of a cluster. It counts as a consumer of what it consumes. When its
// server says that its connection was ended at the other end, as that of a killed
// process is, it is gone at once. A session that was given up and comes back is
// there again, with its queues and consumers, as soon as its server reaches the
// others: it follows the changes that it has missed, and consumers of queues that were
// deleted meanwhile are told.
//
// Queues and exchanges that end. An exclusive queue is gone when Close returns.
// If its session is gone without, no session finds the queue any more, and what is
// left of it is cleared away within seconds by any other session. An auto-delete
// queue goes with its last consumer, an auto-delete exchange with its last
// binding. The consumers of a queue that goes are told: [ErrCancelled].
//
// Clocks. What counts is the broker's clock, see [Session.Now]; that of another machine
// may show anything. Where the broker's clock is put forward while it runs, what ends or
// comes at a time ends or comes at once, as if that much time had passed, and so do leases;
// only messages for later in a queue that is not durable may wait longer. Where it is put
// back, messages for later, expirations and TTLs that were stored before take that much
// longer, and nothing else does: what a killed consumer held comes back a lease after
// that was noticed, and another leader follows one that was killed. Messages that are not
// persistent may then come from before the last start of the broker. The session of a
// 'warren serve' notices within a second, others within ten.
//
// Stores. When Put returns nil, the broker has stored the value, and Get has it, or
// a later one, from every session. Of all writes that expect the same revision, one
// is done. A value is there until its TTL is over, and not for more than a second
// longer. What was deleted or has expired does not come back, whatever crashes; a value
// that is there beyond its end, by the broker's clock, is not believed. Follow and
// Notify tell the last write of every key, in order, whatever goes and comes back
// meanwhile, but not what expired more than a second before they were back. A value is as durable as a persistent message in a durable
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
// The streams of records say how they are laid out, and so does each record of the
// topology, in its field "format": one that has none is of the first. A release reads the layouts of
// all before it: it copies what they hold into its own when a session or a store is
// opened, while others open it too, and goes on if it is killed; sessions of those
// releases are refused from then on. A layout or a format of a later release is refused
// with 406.
//
// How often the broker syncs is the broker's setting: a nats-server's default is
// two minutes, and package warren/embedded's one second.
//
// # What differs from RabbitMQ
//
// Not there yet, and refused with 540: dead-lettering, length limits,
// priorities, delivery limits, alternate exchanges, single active consumer, quorum
// queues and streams as queue types, exchanges of other types (delayed messages,
// consistent hashing), the headers CC and BCC, and direct reply-to. A message's priority
// is carried and not acted on. Exchange-to-exchange bindings, consumer priorities and
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
// The order in which several nodes requeue is the order in which their messages come
// back, as it does from a quorum queue. So it is of one node when it has no consumer of the
// queue any more. A message that one node requeues while another one's request for the
// next one is under way may come behind that one.
// A message may be marked as redelivered although no handler has seen it, if it was
// handed back unseen, or has waited through a restart of the broker. What a killed
// consumer held comes back in the order in which its leases end: if it died while it
// renewed them, the first may come last.
//
// The messages of a killed consumer come back when the lease is over and not
// when its connection breaks. If a session is cut off from the broker for longer
// than the lease, or its process is stopped for as long, another consumer gets
// what it holds while it still works on it; an ack that comes late is taken, and
// removes the message.
//
// While the session of an exclusive queue is stopped or cut off, and not given up yet, an
// exchange that the queue is bound to cannot be deleted: the call waits for the session, and
// fails when its time is up. Deleting the exchange again completes it.
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
// widened, and it is sent messages that it then drops. The number of bindings has no
// end that is met in practice: the record of a queue names pages of some hundred of
// them, so that with the 1 MiB of a nats-server as it comes the end is beyond a
// million. What does not fit into one message, such as a binding with long arguments,
// is 406.
//
// # Concurrency
//
// Methods of Session, Publisher, Window and Delivery may be called from any
// goroutine. The fields of a Delivery are its receiver's. A Consumer is received
// from in one way: with Run, with Deliveries or Each, or with Push, once.
//
// A method of Session returns when its context ends, also when the broker has
// stopped reading; what it was at may still be done then. Settling a delivery
// takes none, and waits for as long as the connection does.
//
// Run calls one handler at a time, in order, or [ConsumeOptions.Concurrency] of
// them, in any. Push, [PublisherOptions.Confirmed], [Config.Explain] and what
// [Store.Notify] calls are called from goroutines that have other work: they must not
// block, and must not call back into the package, except to settle a delivery. They must
// return, too: where one ends its goroutine with runtime.Goexit, as FailNow of a test
// does, that is a panic. A handler of Run may do so. It must not cancel its consumer or
// close its session; it ends the context of Run instead.
//
// # Who closes what
//
// The connection is the caller's: it dials, it sets how often to reconnect
// (for ever, as a rule), and it closes, after the session. Close ends the
// session's consumers. A Publisher needs no closing. If the connection is closed
// first, Close still returns; then the lease hands back what was held.
package streams
