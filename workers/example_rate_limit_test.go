package workers_test

import (
	"context"
	"fmt"
	"time"

	"warren/workers"
)

// A task that is limited to one in a tenth of a second takes its time, and no place
// of a worker while it waits for its turn.
func ExampleRateLimit() {
	ctx := context.Background()
	app := workers.New("example")
	ping := workers.Func0(app, "ping", func(context.Context) (int, error) { return 1, nil },
		workers.RateLimit(1, 100*time.Millisecond))
	defer openApp(app)()

	start := time.Now()
	list, err := workers.Group(ping.S(), ping.S(), ping.S()).Run(ctx)
	check(err)
	fmt.Println(list, time.Since(start) >= 200*time.Millisecond)
	// Output: [1 1 1] true
}
