package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// Workers say what they run and for how long it has run, and do as they are told.
func ExampleApp_Control() {
	ctx := context.Background()
	app := workers.New("example")
	began, leave := make(chan bool), make(chan bool)
	long := workers.Func0(app, "long", func(context.Context) (workers.None, error) {
		began <- true
		<-leave
		return workers.None{}, nil
	})
	defer openApp(app)()

	result, err := long.Delay(ctx)
	check(err)
	<-began
	answers, err := app.Control().Active(ctx)
	check(err)
	for _, answer := range answers {
		for _, task := range answer.Value {
			fmt.Println(task.Name, task.ID == result.ID(), task.Age >= 0)
		}
	}
	places, err := app.Control().SetConcurrency(ctx, 2)
	check(err)
	fmt.Println(len(places), "worker runs", places[0].Value, "at once")
	close(leave)
	_, err = result.Get(ctx)
	check(err)
	// Output:
	// long true true
	// 1 worker runs 2 at once
}
