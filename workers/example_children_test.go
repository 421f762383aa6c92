package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// The children of a task are what its end has called.
func ExampleResult_Children() {
	ctx := context.Background()
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	mul := workers.Func2(app, "mul", mul)
	defer openApp(app)()

	result, err := workers.Chain2(add.S(4, 4), mul.P(8)).Apply(ctx)
	check(err)
	_, err = result.Get(ctx)
	check(err)
	children, err := result.Parent().Children(ctx)
	check(err)
	for _, child := range children {
		info, err := child.Info(ctx)
		check(err)
		fmt.Println(info.Name, info.State)
	}
	// Output: mul SUCCESS
}
