package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// Area is what the task below takes: its arguments by name.
type Area struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// A task of a struct says which field the result before it goes into.
func ExampleInto() {
	ctx := context.Background()
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	area := workers.Task(app, "area", func(_ context.Context, a Area) (string, error) {
		return fmt.Sprintf("%d x %d", a.Width, a.Height), nil
	})
	defer openApp(app)()

	height := workers.Into(area, Area{Width: 3}, func(a *Area) *int { return &a.Height })
	said, err := workers.Chain2(add.S(2, 2), height).Run(ctx)
	check(err)
	fmt.Println(said)
	// Output: 3 x 4
}
