package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// A header travels with a call. Middleware and the task can read it.
func ExampleHeader() {
	ctx := context.Background()
	app := workers.New("example")
	who := workers.Func0(app, "who", func(ctx context.Context) (string, error) {
		r, _ := workers.RequestOf(ctx)
		return r.Headers["tenant"], nil
	})
	defer openApp(app)()

	tenant, err := who.S().With(workers.Header("tenant", "acme")).Run(ctx)
	check(err)
	fmt.Println(tenant)
	// Output: acme
}
