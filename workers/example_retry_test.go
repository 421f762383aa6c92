package workers_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"warren/workers"
)

// A task with a policy is run again when it fails. Between its attempts it waits
// in the broker and takes no worker's time.
func ExampleRetry() {
	ctx := context.Background()
	app := workers.New("example")
	fetch := workers.Func1(app, "fetch", func(ctx context.Context, page string) (string, error) {
		request, _ := workers.RequestOf(ctx)
		if request.Retries < 2 {
			return "", errors.New("the line is busy")
		}
		return fmt.Sprintf("%s, after %d retries", page, request.Retries), nil
	}, workers.Retry(workers.RetryPolicy{Max: 5, Delay: time.Millisecond, Backoff: 2}))
	defer openApp(app)()

	result, err := fetch.Delay(ctx, "index.html")
	check(err)
	page, err := result.Get(ctx)
	check(err)
	fmt.Println(page)
	// Output: index.html, after 2 retries
}
