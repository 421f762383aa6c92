package beat_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"warren/embedded"
	"warren/workers"
	"warren/workers/beat"
)

// A task is sent every 20 minutes, by whichever of the schedulers leads, and knows
// when it was due. Here there is one, and it begins at once.
func ExampleScheduler() {
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

	app := workers.New("weather")
	fetch := workers.Func1(app, "fetch", func(ctx context.Context, city string) (workers.None, error) {
		request, _ := workers.RequestOf(ctx)
		fmt.Println("fetched", city, time.Since(request.Scheduled) < time.Minute)
		cancel()
		return workers.None{}, nil
	})
	if err := app.Connect(ctx, nc, workers.Config{}); err != nil {
		log.Fatal(err)
	}
	defer app.Close(context.Background())

	scheduler := beat.New(app, beat.Config{Entries: []beat.Entry{
		{Name: "kyiv", Schedule: beat.Every(20 * time.Minute), Call: fetch.S("Kyiv"), AtStart: true},
	}})
	scheduled := make(chan error, 1)
	go func() { scheduled <- scheduler.Run(ctx) }()
	if err := app.Worker(workers.WorkerConfig{}).Run(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-scheduled)

	// Output:
	// fetched Kyiv true
	// <nil>
}
