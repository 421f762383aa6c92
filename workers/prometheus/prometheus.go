package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"warren/workers"
)

// Middleware registers the metrics and returns the [workers.Middleware] that counts
// in them. A registry takes them once: give it to the apps of one process together.
func Middleware(registry prometheus.Registerer) (workers.Middleware, error) {
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
			return workers.Middleware{}, err
		}
	}
	return workers.Middleware{Send: m.aroundSend, Run: m.aroundRun}, nil
}

type metrics struct {
	sent    *prometheus.CounterVec
	run     *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	running prometheus.Gauge
}

func (m metrics) aroundSend(next workers.SendFunc) workers.SendFunc {
	return func(ctx context.Context, msg *workers.Message) error {
		err := next(ctx, msg)
		if err == nil {
			m.sent.WithLabelValues(msg.Task, msg.Queue).Inc()
		}
		return err
	}
}

func (m metrics) aroundRun(next workers.RunFunc) workers.RunFunc {
	return func(ctx context.Context, r workers.Request) (json.RawMessage, error) {
		m.running.Inc()
		began := time.Now()
		outcome := "failure" // of a panic, too
		defer func() {
			m.running.Dec()
			m.seconds.WithLabelValues(r.Task).Observe(time.Since(began).Seconds())
			m.run.WithLabelValues(r.Task, r.Queue, outcome).Inc()
		}()
		value, err := next(ctx, r)
		outcome = outcomeOf(err)
		return value, err
	}
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "success"
	case errors.Is(err, workers.ErrIgnore):
		return "ignored"
	case errors.Is(err, workers.ErrRetry):
		return "retry"
	}
	return "failure"
}
