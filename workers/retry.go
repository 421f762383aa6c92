package workers

import (
	"errors"
	"time"

	"warren/workers/internal/celery"
)

// RetryPolicy is when a failed task is run again. Tasks without one are not, as
// in Celery; a panic, and a hard time limit, count as failures like any other. Its
// methods RetryOn and NoRetryOn say which errors are retried.
type RetryPolicy = celery.RetryPolicy

// again says whether, and after how long, a task that failed so is run again.
func again(err error, policy *RetryPolicy, retries int) (after time.Duration, ok bool) {
	var rejected *rejection
	if errors.As(err, &rejected) {
		return 0, false
	}
	var asked *retryError
	switch {
	case errors.As(err, &asked):
		return asked.after, celery.AllowsRetry(policy, retries)
	case policy == nil:
		return 0, false
	}
	return celery.NextRetry(*policy, err, retries)
}
