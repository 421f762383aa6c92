package workers_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"warren/embedded"
	"warren/workers"
	"warren/workers/beat"
)

// A small service sends its periodic tasks and runs them in one process.
func ExampleApp_Run() {
	ctx, cancel := context.WithCancel(context.Background())
	broker, err := embedded.Start(embedded.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	nc, err := broker.Connect()
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()

	app := workers.New("shop")
	report := workers.Do1(app, "report", func(_ context.Context, of string) error {
		fmt.Println("report of", of)
		cancel() // here it ends with the first one
		return nil
	})
	if err := app.Connect(ctx, nc, workers.Config{}); err != nil {
		log.Fatal(err)
	}
	defer app.Close(context.Background())

	err = app.Run(ctx, workers.WorkerConfig{}, beat.New(app, beat.Config{Entries: []beat.Entry{
		{Name: "report", Schedule: beat.Every(24 * time.Hour), Call: report.S("sales"), AtStart: true},
	}}))
	fmt.Println(err)
	// Output:
	// report of sales
	// <nil>
}
