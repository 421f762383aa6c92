package workers_test

import (
	"context"
	"fmt"
	"time"

	"warren/workers"
)

// Of tasks with one key, the first within the time is sent; who calls for another
// gets a handle on it.
func ExampleUnique() {
	ctx := context.Background()
	app := workers.New("example")
	report := workers.Func1(app, "report", func(_ context.Context, n int) (int, error) { return n, nil })
	defer openApp(app)()

	first, err := report.Delay(ctx, 1, workers.Unique("report", time.Hour))
	check(err)
	second, err := report.Delay(ctx, 2, workers.Unique("report", time.Hour))
	check(err)
	n, err := second.Get(ctx)
	check(err)
	fmt.Println(n, first.ID() == second.ID())
	// Output: 1 true
}
