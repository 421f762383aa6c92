// Tasks_client calls the tasks of package tasks, as the lecture's program does.
package main

import (
	"context"
	"fmt"

	"warren/cmd/exercises/exercise"
	"warren/cmd/exercises/tasks"
	"warren/workers"
)

func main() { exercise.RunApp(tasks.App, call) }

func call(ctx context.Context) error {
	result, err := tasks.Add.Delay(ctx, 1, 1)
	if err != nil {
		return err
	}
	if err := show(result.State(ctx)); err != nil { // PENDING
		return err
	}
	if err := show(result.Get(ctx)); err != nil { // waits
		return err
	}
	if err := show(result.State(ctx)); err != nil { // SUCCESS
		return err
	}
	if err := show(tasks.Add.Call(ctx, 1, 1)); err != nil { // here and now, no worker
		return err
	}

	var sums []workers.Sig[int]
	for i := range 10 {
		sums = append(sums, tasks.Add.S(i, i))
	}
	if err := show(workers.Group(sums...).Run(ctx)); err != nil {
		return err
	}
	// The result of the first task is an argument of the next.
	if err := show(workers.Chain2(tasks.Add.S(4, 4), tasks.Mul.P(8)).Run(ctx)); err != nil {
		return err
	}
	// The results of the group are the argument of xsum.
	if err := show(workers.Chord(workers.Group(sums...), tasks.Xsum.P()).Run(ctx)); err != nil {
		return err
	}

	// What follows if a task fails, and if it succeeds.
	_, err = tasks.BrokenTask.S().LinkErrorID(tasks.OnTaskError.P("broken_task")).Apply(ctx)
	if err != nil {
		return err
	}
	_, err = tasks.PrintTask.S("something").Link(tasks.OnTaskSuccess.P("print_task")).Apply(ctx)
	return err
}

// show prints what a call has given.
func show[T any](value T, err error) error {
	if err == nil {
		fmt.Println(value)
	}
	return err
}
