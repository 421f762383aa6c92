package workers_test

import (
	"context"
	"encoding/json"
	"fmt"

	"warren/workers"
)

// Middleware stands around the sending and the running of every task.
func ExampleMiddleware() {
	ctx := context.Background()
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	around := workers.Middleware{
		Send: func(next workers.SendFunc) workers.SendFunc {
			return func(ctx context.Context, m *workers.Message) error {
				m.SetHeader("tenant", "ann")
				return next(ctx, m)
			}
		},
		Run: func(next workers.RunFunc) workers.RunFunc {
			return func(ctx context.Context, r workers.Request) (json.RawMessage, error) {
				value, err := next(ctx, r)
				fmt.Println(r.Task, "for", r.Headers["tenant"], "came to", string(value))
				return value, err
			}
		},
	}
	end := openApp(app, around)

	_, err := add.S(1, 1).Run(ctx)
	check(err)
	end()
	// Output: add for ann came to 2
}
