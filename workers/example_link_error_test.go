package workers_test

import (
	"context"
	"errors"
	"fmt"

	"warren/workers"
)

// An error callback is sent when a task has failed for good, with its failure.
func ExampleSig_LinkError() {
	ctx := context.Background()
	said := make(chan string, 1)
	app := workers.New("example")
	broken := workers.Func0(app, "broken_task", func(context.Context) (workers.None, error) {
		return workers.None{}, errors.New("failed")
	})
	onError := workers.Func2(app, "on_task_error", func(_ context.Context, f workers.Failure, advice string) (workers.None, error) {
		said <- fmt.Sprintf("ERROR IN TASK %s: %s; %s", f.Task, f.Message, advice)
		return workers.None{}, nil
	})
	defer openApp(app)()

	_, err := broken.S().LinkError(onError.P("look into it")).Apply(ctx)
	check(err)
	fmt.Println(<-said)
	// Output: ERROR IN TASK broken_task: failed; look into it
}
