package workers

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is a [Middleware] that counts on a Prometheus registry of the user's:
// warren_tasks_sent_total by task and queue, warren_tasks_run_total by task, queue
// and outcome (success, failure, retry, ignored), warren_task_seconds, a histogram
// by task, and warren_tasks_running. A registry takes them once.
func Metrics(registry prometheus.Registerer) (Middleware, error) {
	m := metrics{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warren_tasks_sent_total", Help: "Tasks that were sent.",
		}, []string{"task", "queue"}),
		run: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warren_tasks_run_total", Help: "Attempts at tasks that have ended.",
		}, []string{"task", "queue", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "warren_task_seconds", Help: "How long attempts at tasks took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}, []string{"task"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "warren_tasks_running", Help: "Tasks that run now.",
		}),
	}
	for _, c := range []prometheus.Collector{m.sent, m.run, m.seconds, m.running} {
		if err := registry.Register(c); err != nil {
			return Middleware{}, err
		}
	}
	return Middleware{Send: m.aroundSend, Run: m.aroundRun}, nil
}

type metrics struct {
	sent    *prometheus.CounterVec
	run     *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	running prometheus.Gauge
}

func (m metrics) aroundSend(next SendFunc) SendFunc {
	return func(ctx context.Context, msg *Message) error {
		err := next(ctx, msg)
		if err == nil {
			m.sent.WithLabelValues(msg.Task, msg.Queue).Inc()
		}
		return err
	}
}

func (m metrics) aroundRun(next RunFunc) RunFunc {
	return func(ctx context.Context, r Request) (json.RawMessage, error) {
		m.running.Inc()
		began := time.Now()
		outcome := "failure" // of a panic, too
		defer func() {
			m.running.Dec()
			m.seconds.WithLabelValues(r.Task).Observe(time.Since(began).Seconds())
			m.run.WithLabelValues(r.Task, r.Queue, outcome).Inc()
		}()
		value, err := next(ctx, r)
		outcome = howItEnded(err)
		return value, err
	}
}

func howItEnded(err error) string {
	var asked *retryError
	switch {
	case err == nil:
		return "success"
	case errors.Is(err, ErrIgnore):
		return "ignored"
	case errors.As(err, &asked):
		return "retry"
	}
	return "failure"
}
