// Package amqp is what AMQP 0-9-1 says of a message, without a broker: field tables,
// the fourteen properties, reply codes, and which names and times are valid.
//
// A [Table] is encoded as RabbitMQ encodes it ([Table.AppendBinary]). The properties of a
// [Message] travel as the headers of a NATS message, one header each
// ([EncodeProperties]); [DecodeProperties] reads them again, and also the headers of a
// publisher that does not know AMQP. An [Error] has AMQP's reply code and RabbitMQ's text.
//
// The package is pure: it has no network, no goroutine and no lock, and it imports only
// the standard library. Package streams shows its types to users under the same names;
// the listener in streams/amqp091 reads them from and writes them to AMQP's own frames.
package amqp
