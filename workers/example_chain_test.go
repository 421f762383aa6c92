package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// The result of one task is the first argument of the next.
func ExampleChain2() {
	ctx := context.Background()
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	mul := workers.Func2(app, "mul", mul)
	defer openApp(app)()

	result, err := workers.Chain2(add.S(4, 4), mul.P(8)).Apply(ctx)
	check(err)
	product, err := result.Get(ctx)
	check(err)
	sum, err := result.Parent().Get(ctx)
	check(err)
	fmt.Println(product, "of", string(sum))
	// Output: 64 of 8
}
