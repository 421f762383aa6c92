package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// Of the tasks that wait in a queue, a more urgent one begins first. One that runs is
// not interrupted.
func ExamplePriority() {
	ctx := context.Background()
	app := workers.New("example")
	mail := workers.Func1(app, "mail", func(_ context.Context, to string) (workers.None, error) {
		fmt.Println("mail to", to)
		return workers.None{}, nil
	}, workers.Priority(workers.Low))
	defer connectApp(app)()

	_, err := mail.Delay(ctx, "everybody")
	check(err)
	_, err = mail.Delay(ctx, "a customer", workers.Priority(workers.Normal))
	check(err)
	_, err = mail.Delay(ctx, "the fire brigade", workers.Priority(workers.High))
	check(err)
	last, err := mail.Delay(ctx, "everybody else")
	check(err)

	defer startWorker(app, workers.WorkerConfig{Concurrency: 1})()
	_, err = last.Get(ctx)
	check(err)
	// Output:
	// mail to the fire brigade
	// mail to a customer
	// mail to everybody
	// mail to everybody else
}
