// Tasks_client calls the tasks of package tasks, as the lecture's program does.
package main

import (
	"cmp"
	"context"

	"warren/cmd/exercises/exercise"
	"warren/cmd/exercises/tasks"
	"warren/workers"
)

func main() { exercise.RunApp(tasks.App, call) }

func call(ctx context.Context) error {
	ctx, show := exercise.Printer(ctx)
	result, err := tasks.Add.Delay(ctx, 1, 1)
	if err != nil {
		return err
	}
	show(result.State(ctx))         // PENDING
	show(result.Get(ctx))           // waits
	show(result.State(ctx))         // SUCCESS
	show(tasks.Add.Call(ctx, 1, 1)) // here and now, with no worker

	var sums []workers.Sig[int]
	for i := range 10 {
		sums = append(sums, tasks.Add.S(i, i))
	}
	show(workers.Group(sums...).Run(ctx))
	// The result of the first task is an argument of the next.
	show(workers.Chain2(tasks.Add.S(4, 4), tasks.Mul.P(8)).Run(ctx))
	// The results of the group are the argument of xsum.
	show(workers.Chord(workers.Group(sums...), tasks.Xsum.P()).Run(ctx))
	// What follows if a task fails, and if it succeeds.
	_, broken := tasks.BrokenTask.S().LinkErrorID(tasks.OnTaskError.P("broken_task")).Apply(ctx)
	_, printed := tasks.PrintTask.S("something").Link(tasks.OnTaskSuccess.P("print_task")).Apply(ctx)
	return cmp.Or(context.Cause(ctx), broken, printed)
}
