// Package differential holds tests alone. They do the same things to Warren, by package
// streams and on its AMQP port, to a model of AMQP small enough to be believed, and,
// where the environment variable WARREN_AMQP_URL names one, to a RabbitMQ 3.10, and compare
// what each of them says: every reply code, every count, every message with its
// properties.
//
// Where Warren follows RabbitMQ 4 and not 3.10, or where Warren promises less than
// RabbitMQ does, the generator of scenarios keeps away from it, and says so in a comment.
//
// A RabbitMQ 4.3, which WARREN_AMQP4_URL names, is compared with a model of its own: what
// the two models do not have in common is how the generations differ.
package differential
