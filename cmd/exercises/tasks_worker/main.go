// Tasks_worker runs the tasks of package tasks, until Ctrl-C: the lecture's tasks.py.
package main

import (
	"context"
	"fmt"

	"warren/cmd/exercises/exercise"
	"warren/cmd/exercises/tasks"
	"warren/workers"
)

func main() {
	exercise.RunApp(tasks.App, func(ctx context.Context) error {
		fmt.Println("Waiting for tasks. To exit press CTRL+C")
		return tasks.App.Worker(workers.WorkerConfig{}).Run(ctx)
	})
}
