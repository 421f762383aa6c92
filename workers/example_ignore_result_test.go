package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// Of a task whose result nobody wants none is kept.
func ExampleIgnoreResult() {
	ctx := context.Background()
	app := workers.New("example")
	ran := make(chan string, 1)
	say := workers.Func1(app, "say", func(_ context.Context, text string) (workers.None, error) {
		ran <- text
		return workers.None{}, nil
	}, workers.IgnoreResult())
	defer openApp(app)()

	result, err := say.Delay(ctx, "hello")
	check(err)
	fmt.Println(<-ran)
	_, err = result.Get(ctx)
	fmt.Println(err != nil)
	// Output:
	// hello
	// true
}
