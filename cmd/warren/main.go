// Command warren teaches AMQP and task queues by running them: the exercises
// people know from RabbitMQ and Celery, and the broker they talk to, on NATS
// JetStream.
package main

import (
	"context"
	"os"
)

func main() {
	endWithDemo()
	ctx, stop := interruptible(context.Background())
	code := run(ctx, calledAs(os.Args[0]), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
