package workers_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"warren/workers"
)

// A task that no worker has begun in time is revoked.
func ExampleExpires() {
	ctx := context.Background()
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	defer openApp(app)()

	result, err := add.Delay(ctx, 1, 1, workers.Countdown(time.Second), workers.Expires(10*time.Millisecond))
	check(err)
	_, err = result.Get(ctx)
	fmt.Println(errors.Is(err, workers.ErrExpired))
	// Output: true
}
