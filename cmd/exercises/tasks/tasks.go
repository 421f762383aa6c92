// Package tasks has the tasks of the lecture's tasks.py. Its worker and its client are
// programs of their own, tasks_worker and tasks_client.
package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"warren/workers"
)

// App is what a worker runs, and a client calls.
var App = workers.New("tasks")

// The tasks.
var (
	Add = workers.Func2(App, "add", func(_ context.Context, x, y int) (int, error) {
		fmt.Printf("add(%d, %d)\n", x, y)
		time.Sleep(100 * time.Millisecond)
		return x + y, nil
	})
	Mul = workers.Func2(App, "mul", func(_ context.Context, x, y int) (int, error) {
		fmt.Printf("mul(%d, %d)\n", x, y)
		return x * y, nil
	})
	Xsum = workers.Func1(App, "xsum", func(_ context.Context, list []int) (sum int, err error) {
		fmt.Printf("xsum(%v)\n", list)
		for _, x := range list {
			sum += x
		}
		return sum, nil
	})
	BrokenTask = workers.Do0(App, "broken_task", func(context.Context) error {
		return errors.New("failed")
	})
	OnTaskError = workers.Do2(App, "on_task_error", func(_ context.Context, id, name string) error {
		fmt.Printf("ERROR IN TASK %s: %s\n", id, name)
		return nil
	})
	PrintTask = workers.Do1(App, "print_task", func(_ context.Context, x string) error {
		fmt.Println(x)
		return nil
	})
	OnTaskSuccess = workers.Do2(App, "on_task_success", func(_ context.Context, result workers.None, name string) error {
		fmt.Printf("TASK SUCCEEDED %v: %s\n", result, name)
		return nil
	})
	// SlowTask is not the lecture's: it is for killing a worker in the middle of it.
	SlowTask = workers.Do1(App, "slow_task", func(ctx context.Context, seconds int) error {
		request, _ := workers.RequestOf(ctx)
		fmt.Println("slow_task begins", request.ID)
		time.Sleep(time.Duration(seconds) * time.Second)
		fmt.Println("slow_task ends", request.ID)
		return nil
	})
)
