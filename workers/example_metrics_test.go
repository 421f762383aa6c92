package workers_test

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"warren/workers"
)

// Tasks are counted on a Prometheus registry.
func ExampleMetrics() {
	registry := prometheus.NewRegistry()
	metrics, err := workers.Metrics(registry)
	check(err)
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	defer openApp(app, metrics)()

	_, err = add.S(1, 1).Run(context.Background())
	check(err)
	families, err := registry.Gather()
	check(err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "warren_tasks_sent_total" {
				fmt.Println(family.GetName(), metric.GetCounter().GetValue())
			}
		}
	}
	// Output: warren_tasks_sent_total 1
}
