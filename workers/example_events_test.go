package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// Workers tell what happens in them while somebody listens; they begin with a
// heartbeat.
func ExampleApp_Events() {
	ctx, stop := context.WithCancel(context.Background())
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	defer openApp(app)()

	events, ended := make(chan workers.Event, 100), make(chan error, 1)
	go func() { ended <- app.Events(ctx, func(e workers.Event) { events <- e }) }()
	for e := range events {
		if e.Type == workers.WorkerHeartbeat {
			break
		}
	}
	_, err := add.Delay(ctx, 1, 1)
	check(err)
	for e := range events {
		if e.UUID != "" {
			fmt.Println(e.Type)
		}
		if e.Type == workers.TaskSucceeded {
			fmt.Println(e.Result)
			break
		}
	}
	stop()
	check(<-ended)
	// Output:
	// task-received
	// task-started
	// task-succeeded
	// 2
}
