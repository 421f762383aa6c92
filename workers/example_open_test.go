package workers_test

import (
	"context"
	"log"

	"warren/embedded"
	"warren/workers"
)

// openApp starts a broker in this process, connects an app to it and starts a worker
// of its tasks. The function ends all of them.
func openApp(app *workers.App, around ...workers.Middleware) func() {
	broker, err := embedded.Start(embedded.Config{})
	check(err)
	nc, err := broker.Connect()
	check(err)
	check(app.Connect(context.Background(), nc, workers.Config{Middleware: around}))
	worker := app.Worker(workers.WorkerConfig{})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	<-worker.Ready()
	return func() {
		stop()
		check(<-done)
		check(app.Close(context.Background()))
		nc.Close()
		check(broker.Close())
	}
}

// check ends an example that went wrong.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func add(_ context.Context, x, y int) (int, error) { return x + y, nil }

func mul(_ context.Context, x, y int) (int, error) { return x * y, nil }

func xsum(_ context.Context, list []int) (int, error) {
	sum := 0
	for _, x := range list {
		sum += x
	}
	return sum, nil
}
