// Package routing decides which messages of an exchange reach a queue, and writes AMQP's
// names and routing keys as NATS subjects.
//
// There are two ways to decide, and both are needed. A [Matcher] decides exactly, as AMQP
// does, message by message. [Filters] writes bindings as the filter subjects of a JetStream
// consumer, so that the server decides; where subjects cannot say what a binding says, the
// filters match more, and the matcher decides about what comes through them.
//
// [KeySubject] makes a subject of a routing key: a word of the key is a token of the
// subject, and what NATS forbids in a token is escaped. [SubjectKey] reads it again.
// [NameToken], [StreamName] and [ConsumerName] do the same for the names of exchanges and
// queues.
//
// The package is pure: it has no network, no goroutine and no lock. Its fuzz targets
// compare it with a matcher that is as simple as the specification.
package routing
