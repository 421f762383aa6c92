package workers_test

import (
	"testing"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// BenchmarkEvents runs tasks that do nothing, while somebody listens to events and
// while nobody does.
func BenchmarkEvents(b *testing.B) {
	quiet := newBench(b, embeddedtest.Connect(b))
	told := newBench(b, embeddedtest.Connect(b))
	hearer := newShop(b)
	hearer.connect(told.nc, workers.Config{})
	hearer.work(workers.WorkerConfig{Name: "celery@idle", Queues: []string{"idle"}})
	n := 0
	hearer.listenWith(func(workers.Event) { n++ })
	embeddedtest.Versus(b, "task", told.drain(10), quiet.drain(10))
	b.ReportMetric(float64(n), "events")
}
