package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// From a queue that is paused no worker takes a task; what is sent waits.
func ExampleApp_Pause() {
	ctx := context.Background()
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	defer openApp(app)()

	check(app.Pause(ctx, "example"))
	paused, err := app.Paused(ctx)
	check(err)
	result, err := add.Delay(ctx, 1, 1)
	check(err)
	was, err := app.Resume(ctx, "example")
	check(err)
	sum, err := result.Get(ctx)
	check(err)
	fmt.Println(paused, was, sum)
	// Output: [example] true 2
}
