// Package differential holds tests alone. They do the same things to Warren, by package
// streams and on its AMQP port, to a model of AMQP small enough to be believed, and,
// where the environment variable WARREN_AMQP_URL names one, to a RabbitMQ, and compare
// what each of them says: every reply code, every count, every message with its
// properties.
//
// Where Warren follows RabbitMQ 4 and the RabbitMQ at hand is older, or where
// Warren promises less than RabbitMQ does, the generator of scenarios keeps away
// from it, and says so in a comment.
package differential
