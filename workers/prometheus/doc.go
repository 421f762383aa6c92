// Package prometheus counts the tasks of an app on a Prometheus registry.
//
// It is a middleware of package workers. Its name is that of Prometheus's own package, so
// import it under another one:
//
//	import (
//		"github.com/prometheus/client_golang/prometheus"
//
//		metrics "warren/workers/prometheus"
//	)
//
//	counting, err := metrics.Middleware(prometheus.DefaultRegisterer)
//	err = app.Connect(ctx, nc, workers.Config{Middleware: []workers.Middleware{counting}})
//
// It counts in the process that sends a task, and in the worker that runs it:
//
//   - warren_tasks_sent_total, a counter by task and queue.
//   - warren_tasks_run_total, a counter of attempts that have ended, by task, queue and
//     outcome: success, failure, retry (the task asked for it with [workers.RetryIn]) and
//     ignored (it returned [workers.ErrIgnore]). A panic is a failure.
//   - warren_task_seconds, a histogram of how long attempts took, by task.
//   - warren_tasks_running, a gauge of the attempts that run now.
//
// Only programs that import this package link Prometheus's client.
package prometheus
