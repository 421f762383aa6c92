package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// A callback is a task that is sent when another one has succeeded, with its
// result.
func ExampleSig_Link() {
	ctx := context.Background()
	said := make(chan string, 1)
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	onSuccess := workers.Func2(app, "on_task_success", func(_ context.Context, sum int, task string) (workers.None, error) {
		said <- fmt.Sprintf("TASK SUCCEEDED %d: %s", sum, task)
		return workers.None{}, nil
	})
	defer openApp(app)()

	_, err := add.S(1, 1).Link(onSuccess.P("add")).Apply(ctx)
	check(err)
	fmt.Println(<-said)
	// Output: TASK SUCCEEDED 2: add
}
