package workers_test

import (
	"context"
	"fmt"
	"sync"

	"warren/workers"
)

// A worker of several queues gives each its share while tasks wait in all of them:
// here three orders for each report.
func ExampleWorkerConfig() {
	ctx := context.Background()
	app := workers.New("example")
	count := make(map[string]int)
	ready := make(chan struct{})
	var first sync.WaitGroup
	first.Add(8)
	handle := workers.Func0(app, "handle", func(ctx context.Context) (workers.None, error) {
		<-ready
		request, _ := workers.RequestOf(ctx)
		if count["orders"]+count["reports"] < 8 {
			count[request.Queue]++
			first.Done()
		}
		return workers.None{}, nil
	})
	defer connectApp(app)()
	for range 8 {
		for _, queue := range []string{"reports", "orders"} {
			_, err := handle.Delay(ctx, workers.Queue(queue))
			check(err)
		}
	}

	defer startWorker(app, workers.WorkerConfig{
		Concurrency: 1,
		Queues:      []string{"orders", "reports"},
		Weights:     map[string]int{"orders": 3},
	})()
	close(ready)
	first.Wait()
	fmt.Println(count)
	// Output: map[orders:6 reports:2]
}
