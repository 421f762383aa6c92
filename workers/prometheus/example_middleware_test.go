package prometheus_test

import (
	"context"
	"fmt"
	"log"

	"github.com/prometheus/client_golang/prometheus"

	"warren/embedded"
	"warren/workers"
	metrics "warren/workers/prometheus"
)

// Tasks are counted on a Prometheus registry.
func ExampleMiddleware() {
	broker := must(embedded.Start(embedded.Config{}))
	defer broker.Close()
	nc := must(broker.Connect())
	defer nc.Close()

	registry := prometheus.NewRegistry()
	counting := must(metrics.Middleware(registry))
	app := workers.New("example")
	add := workers.Func2(app, "add", func(_ context.Context, x, y int) (int, error) { return x + y, nil })
	ctx := context.Background()
	must(0, app.Connect(ctx, nc, workers.Config{Middleware: []workers.Middleware{counting}}))
	defer app.Close(ctx)

	must(add.Delay(ctx, 1, 1))
	for _, family := range must(registry.Gather()) {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "warren_tasks_sent_total" {
				fmt.Println(family.GetName(), metric.GetCounter().GetValue())
			}
		}
	}
	// Output: warren_tasks_sent_total 1
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
