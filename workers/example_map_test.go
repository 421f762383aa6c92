package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// One task maps a function over a list; Chunks makes a task of so many items each.
func ExampleMap() {
	ctx := context.Background()
	app := workers.New("example")
	xsum := workers.Func1(app, "xsum", xsum)
	mul := workers.Func2(app, "mul", mul)
	defer openApp(app)()

	sums, err := workers.Map(xsum, [][]int{{1, 2}, {3}}).Run(ctx)
	check(err)
	pairs := []workers.Pair[int, int]{{First: 1, Second: 2}, {First: 3, Second: 4}, {First: 5, Second: 6}}
	products, err := workers.Starmap(mul, pairs).Run(ctx)
	check(err)
	chunks, err := workers.Chunks(mul, pairs, 2).Run(ctx)
	check(err)
	fmt.Println(sums, products, chunks)
	// Output: [3 3] [2 12 30] [[2 12] [30]]
}
