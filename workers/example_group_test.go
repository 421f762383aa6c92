package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// Calls run side by side; their results come in the order of the calls.
func ExampleGroup() {
	ctx := context.Background()
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	defer openApp(app)()

	var calls []workers.Sig[int]
	for i := range 10 {
		calls = append(calls, add.S(i, i))
	}
	list, err := workers.Group(calls...).Run(ctx)
	check(err)
	fmt.Println(list)
	// Output: [0 2 4 6 8 10 12 14 16 18]
}
