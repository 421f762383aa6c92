package workers_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"warren/workers"
)

// At the soft limit the context of the task ends, and says why.
func ExampleSoftLimit() {
	ctx := context.Background()
	app := workers.New("example")
	long := workers.Func0(app, "long", func(ctx context.Context) (string, error) {
		<-ctx.Done()
		if errors.Is(context.Cause(ctx), workers.ErrSoftTimeLimit) {
			return "what there is", nil
		}
		return "", ctx.Err()
	}, workers.HardLimit(time.Hour))
	defer openApp(app)()

	result, err := long.Delay(ctx, workers.SoftLimit(50*time.Millisecond))
	check(err)
	text, err := result.Get(ctx)
	check(err)
	fmt.Println(text)
	// Output: what there is
}
