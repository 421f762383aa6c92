package workers_test

import (
	"context"
	"fmt"
	"time"

	"warren/workers"
)

// Most tasks return nothing. Whoever waits for one is told when it is done, or why it
// failed.
func ExampleDo1() {
	ctx := context.Background()
	app := workers.New("example")
	greet := workers.Do1(app, "greet", func(_ context.Context, name string) error {
		fmt.Println("hello", name)
		return nil
	})
	defer openApp(app)()

	result, err := greet.Delay(ctx, "world", workers.HardLimit(time.Minute))
	check(err)
	_, err = result.Get(ctx)
	check(err)
	// Output: hello world
}
