package workers

import (
	"context"
	"log/slog"
	"time"

	"warren/workers/internal/jsontext"
)

// Logger is the logger of the task whose context it is: that of [Config], with the
// names of the worker and the task and the task's id. In any other context it is
// slog's default. Celery has get_task_logger for this.
func Logger(ctx context.Context) *slog.Logger {
	if r, ok := ctx.Value(runKey{}).(*run); ok {
		return r.log()
	}
	return slog.Default()
}

func (r *run) log() *slog.Logger { return r.m.log(r.w.log) }

// log is a logger that says which task it is about.
func (m *Message) log(l *slog.Logger) *slog.Logger {
	return l.With("task", m.Task, "id", m.ID)
}

// logReceived logs that the worker has got the task.
func (r *run) logReceived(ctx context.Context) {
	if r.w.log.Enabled(ctx, slog.LevelDebug) {
		r.log().LogAttrs(ctx, slog.LevelDebug, "task received",
			slog.String("queue", r.m.Queue), slog.Int("attempt", r.m.Retries+1))
	}
}

// logEnded logs what an attempt has come to. A success is no news, and only a failure
// that was not to be expected is more.
func (r *run) logEnded(ctx context.Context, rec record) {
	level := slog.LevelInfo
	switch {
	case rec.Status == Succeeded:
		level = slog.LevelDebug
	case rec.Status == Failed && !r.thrown:
		level = slog.LevelError
	}
	if !r.w.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.Int("attempt", r.m.Retries+1), slog.Duration("runtime", time.Since(r.start))}
	var what string
	switch rec.Status {
	case Succeeded:
		what = "task succeeded"
		attrs = append(attrs, slog.String("result", jsontext.Clip(display(rec.Result))))
	case Retrying:
		what = "task is retried"
		attrs = append(attrs, slog.Duration("in", r.w.c.untilDue(rec.Done)))
	case Revoked:
		what = "task revoked"
	default:
		what = "task failed"
	}
	if f := rec.Failure; f != nil {
		attrs = append(attrs, slog.String("type", f.Type), slog.String("error", f.Message))
		if f.Traceback != "" {
			attrs = append(attrs, slog.String("traceback", f.Traceback))
		}
	}
	r.log().LogAttrs(ctx, level, what, attrs...)
}
