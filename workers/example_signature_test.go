package workers_test

import (
	"context"
	"encoding/json"
	"fmt"

	"warren/workers"
)

// What to run may come as data. It is checked before anything is sent.
func ExampleApp_Canvas() {
	ctx := context.Background()
	app := workers.New("example")
	workers.Func2(app, "add", add)
	workers.Func2(app, "mul", mul)
	defer openApp(app)()

	text, err := json.Marshal(app.Signature("add", 4, 4).Then(app.Signature("mul", 8)).Signature())
	check(err)
	var sig workers.Signature
	check(json.Unmarshal(text, &sig))
	product, err := workers.As[int](app.Canvas(sig)).Run(ctx)
	check(err)
	fmt.Println(product)

	_, err = app.Signature("add", 4, "four").Run(ctx)
	fmt.Println(err)
	_, err = app.Signature("add", 4, 4).Then(app.Signature("mul")).Run(ctx)
	fmt.Println(err)
	// Output:
	// 64
	// task "add" argument 2 is "four", not a int: the arguments are not those of the task
	// task "mul" takes int, int; it was given 1: the arguments are not those of the task
}
