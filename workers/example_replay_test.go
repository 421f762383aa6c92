package workers_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"warren/workers"
)

// A task that was given up is kept, and runs once more when it is replayed.
func ExampleApp_Replay() {
	ctx := context.Background()
	app := workers.New("example")
	var mended atomic.Bool
	fetch := workers.Func0(app, "fetch", func(context.Context) (string, error) {
		if !mended.Load() {
			return "", errors.New("the line is cut")
		}
		return "the page", nil
	})
	defer openApp(app)()

	result, err := fetch.Delay(ctx)
	check(err)
	_, err = result.Get(ctx)
	fmt.Println(err != nil)
	mended.Store(true)
	for err = workers.ErrNoDeadLetter; errors.Is(err, workers.ErrNoDeadLetter); { // it is kept right behind the end
		err = app.Replay(ctx, result.ID())
	}
	check(err)
	state := workers.Failed
	for state != workers.Succeeded {
		state, err = result.State(ctx)
		check(err)
	}
	fmt.Println(state)
	// Output:
	// true
	// SUCCESS
}
