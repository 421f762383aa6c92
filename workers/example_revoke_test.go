package workers_test

import (
	"context"
	"errors"
	"fmt"

	"warren/workers"
)

// A task that is revoked while it runs is told by its context; one that waits never
// runs.
func ExampleResult_Revoke() {
	ctx := context.Background()
	app := workers.New("example")
	began := make(chan bool)
	long := workers.Func0(app, "long", func(ctx context.Context) (workers.None, error) {
		began <- true
		<-ctx.Done()
		return workers.None{}, ctx.Err()
	})
	defer openApp(app)()

	result, err := long.Delay(ctx)
	check(err)
	<-began
	check(result.Revoke(ctx))
	_, err = result.Get(ctx)
	fmt.Println(errors.Is(err, workers.ErrRevoked))
	// Output: true
}
